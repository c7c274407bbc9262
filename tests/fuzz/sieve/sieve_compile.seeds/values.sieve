require ["fileinto", "copy", "envelope", "encoded-character", "relational", "comparator-i;ascii-numeric", "comparator-i;unicode-casemap", "subaddress", "regex", "body", "environment", "variables", "date", "index", "spamtestplus", "virustest", "editheader", "foreverypart", "mime", "extracttext", "replace", "enclose"];
if anyof (header :value "ge" :comparator "i;ascii-numeric" "x-spam-score" "4", header :count "gt" "x-a" "1") { keep; }
if spamtest :percent :value "gt" :comparator "i;ascii-numeric" "20" { discard; }
if virustest "0" { set :upper :length "a" "b"; set :quoteregex "c" "a+b"; redirect "a@b.example"; }
if environment :contains "name" "sieve" { stop; }
