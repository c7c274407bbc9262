require ["fileinto", "copy", "envelope", "encoded-character", "relational", "comparator-i;ascii-numeric", "comparator-i;unicode-casemap", "subaddress", "regex", "body", "environment", "variables", "date", "index", "spamtestplus", "virustest", "editheader", "foreverypart", "mime", "extracttext", "replace", "enclose"];
set "w" "";
foreverypart :name "outer" {
  extracttext :first 10 :lower "t"; set "w" "${w}${t}";
  if header :mime :anychild :param ["name", "filename"] ["content-type", "content-disposition"] "a.pdf" { fileinto "pdf"; }
  if header :mime :subtype "content-type" "html" { replace "no html"; }
  foreverypart { if exists :mime "subject" { break :name "outer"; } }
}
replace :subject "new" :from "x@example.org" "all";
enclose :subject "see" :headers ["to"] text:
see
--below
.
;
