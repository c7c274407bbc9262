require "date";
if date :zone "Berlin" "date" "year" "2020" { keep; }
