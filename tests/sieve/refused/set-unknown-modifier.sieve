require "variables";
set :reverse "a" "v";
