require "fileinto";
if header :comparator "i;octet" :contains "subject" "A" { fileinto "octet"; } elsif header :contains "SUBJECT" "A" { fileinto "folded"; }
