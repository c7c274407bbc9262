require "regex";
if header :regex :matches "subject" "a" { keep; }
