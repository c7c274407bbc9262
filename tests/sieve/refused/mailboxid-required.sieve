require "fileinto";
fileinto :mailboxid "a" "x";
