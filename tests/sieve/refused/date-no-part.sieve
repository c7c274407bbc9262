require "date";
if date "date" "2020" { keep; }
