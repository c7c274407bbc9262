require "variables";
set "x" "a";
set "${x}" "v";
