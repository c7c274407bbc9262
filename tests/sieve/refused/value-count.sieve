require ["relational", "comparator-i;ascii-numeric"];
if header :value "eq" :count "eq" "subject" "1" { keep; }
