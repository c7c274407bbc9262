require ["fileinto", "copy", "envelope", "encoded-character", "relational", "comparator-i;ascii-numeric", "comparator-i;unicode-casemap", "subaddress", "regex", "body", "environment", "variables", "date", "index", "spamtestplus", "virustest", "editheader", "foreverypart", "mime", "extracttext", "replace", "enclose"];
if date :zone "-0330" "date" "julian" "55032" { fileinto "a"; }
if date :originalzone "date" "std11" "Mon, 20 Jul 2009 21:44:43 +0300" { fileinto "b"; }
if header :index 2 :last "x-a" "one" { keep; }
if currentdate :value "ge" "date" "2020-01-01" { keep; }
