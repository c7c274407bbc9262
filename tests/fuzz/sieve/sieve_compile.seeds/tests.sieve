require ["fileinto", "copy", "envelope", "encoded-character", "relational", "comparator-i;ascii-numeric", "comparator-i;unicode-casemap", "subaddress", "regex", "body", "environment", "variables", "date", "index", "spamtestplus", "virustest", "editheader", "foreverypart", "mime", "extracttext", "replace", "enclose"];
if allof (header :contains "subject" "gr", envelope :user "from" "ann", address :detail "from" "x",
  header :comparator "i;unicode-casemap" :matches "subject" "GR*?e*", size :under 1M, exists ["to", "from"])
{ fileinto "${1}"; } elsif header :regex "subject" ["(.*)\\((a)", "x"] { fileinto :copy "${1}.${2}"; }
