require "variables";
set "v" "seen";
