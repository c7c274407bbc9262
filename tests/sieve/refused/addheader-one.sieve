require "editheader";
addheader "X";
