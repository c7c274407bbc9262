require "variables";
set :upper :upper "a" "v";
