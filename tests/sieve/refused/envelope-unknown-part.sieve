require "envelope";
if envelope "subject" "a" { keep; }
