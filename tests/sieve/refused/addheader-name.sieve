require "editheader";
addheader "X:Y" "v";
