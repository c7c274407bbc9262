require "variables";
set "1a" "v";
