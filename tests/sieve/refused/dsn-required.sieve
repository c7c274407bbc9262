require "envelope";
if envelope "notify" "SUCCESS" { keep; }
