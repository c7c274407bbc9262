require ["fileinto", "copy", "envelope", "encoded-character", "relational", "comparator-i;ascii-numeric", "comparator-i;unicode-casemap", "subaddress", "regex", "body", "environment", "variables", "date", "index", "spamtestplus", "virustest", "editheader", "foreverypart", "mime", "extracttext", "replace", "enclose"];
if body :raw :contains "--AA" { fileinto "raw"; }
if body :content ["text", "message/rfc822", "multipart", ""] :matches "*b?fore*" { fileinto "content"; }
if body :text :contains "Grüße & more" { fileinto "text"; }
