require "date";
if currentdate "date" "year" "2020" { keep; }
