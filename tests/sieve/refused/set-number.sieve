require "variables";
set "1" "v";
