require "variables";
set "name.space" "v";
