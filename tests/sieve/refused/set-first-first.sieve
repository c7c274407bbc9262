require "variables";
set :upperfirst :lowerfirst "a" "v";
