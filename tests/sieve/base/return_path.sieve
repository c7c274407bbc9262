require ["fileinto", "envelope"];
if envelope :is "from" "" { fileinto "null"; } elsif envelope :domain "from" "example.org" { fileinto "domain"; }
