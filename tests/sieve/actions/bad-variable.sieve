require "variables";
set "to" "this is no address";
redirect "${to}";
