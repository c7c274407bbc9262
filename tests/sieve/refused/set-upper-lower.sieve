require "variables";
set :upper :lower "a" "v";
