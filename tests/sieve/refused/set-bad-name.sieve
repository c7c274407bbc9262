require "variables";
set "a-b" "v";
