require ["foreverypart", "mime", "extracttext", "variables"];
if header :anychild "content-type" "a" { keep; }
