require ["foreverypart", "mime", "extracttext", "variables"];
if header :mime :type :subtype "content-type" "a" { keep; }
