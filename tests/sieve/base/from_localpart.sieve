require "fileinto";
if address :localpart :matches "from" "a*" { fileinto "a"; } elsif address :localpart :contains "from" "" { fileinto "any"; }
