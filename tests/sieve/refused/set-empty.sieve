require "variables";
set "" "v";
