require ["relational", "comparator-i;ascii-numeric"];
if header :value :comparator "i;octet" "subject" "1" { keep; }
