require "editheader";
deleteheader ["X", "Y"] "v" "w";
