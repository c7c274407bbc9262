require "fileinto";
if header :matches "subject" "*e*" { fileinto "e"; } elsif header :matches "subject" "??" { fileinto "two"; }
