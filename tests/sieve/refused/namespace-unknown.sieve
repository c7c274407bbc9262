require "variables";
set "a" "${none.x}";
