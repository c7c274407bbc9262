require ["relational", "comparator-i;ascii-numeric", "fileinto"];
if header :count "ge" :comparator "i;ascii-numeric" "received" "2" { fileinto "two"; } elsif header :count "eq" :comparator "i;ascii-numeric" ["to", "cc"] "1" { fileinto "one"; }
