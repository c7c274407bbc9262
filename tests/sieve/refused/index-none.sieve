require "index";
if header :index "subject" "x" { keep; }
