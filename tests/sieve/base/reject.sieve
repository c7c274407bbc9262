require "reject";
if header :contains "subject" "e" { reject "no"; }
