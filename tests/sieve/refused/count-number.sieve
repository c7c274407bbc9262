require ["relational", "comparator-i;ascii-numeric"];
if header :count 1 "subject" "1" { keep; }
