require "variables";
set "own" "inner";
