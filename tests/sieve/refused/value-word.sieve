require ["relational", "comparator-i;ascii-numeric"];
if header :value "greater" "subject" "1" { keep; }
