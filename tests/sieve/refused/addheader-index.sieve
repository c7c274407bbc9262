require "editheader";
addheader :index 1 "X" "v";
