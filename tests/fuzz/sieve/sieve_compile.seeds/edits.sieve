require ["fileinto", "copy", "envelope", "encoded-character", "relational", "comparator-i;ascii-numeric", "comparator-i;unicode-casemap", "subaddress", "regex", "body", "environment", "variables", "date", "index", "spamtestplus", "virustest", "editheader", "foreverypart", "mime", "extracttext", "replace", "enclose"];
addheader "X-New" "${hex:40} Grüße
second";
addheader :last "Subject" "again"; deleteheader :index 1 :last "subject"; deleteheader :matches "x-a" "t*";
keep; deleteheader "x-a"; fileinto "x";
