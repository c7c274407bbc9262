require ["relational", "comparator-i;ascii-numeric"];
if anyof (header :count "EQ" "subject" "1", header :value "Gt" "subject" "1") { keep; }
