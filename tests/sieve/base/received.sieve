require "fileinto";
if header :contains "received" "from" { fileinto "received"; }
