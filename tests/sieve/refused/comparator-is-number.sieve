if header :comparator 1 "subject" "a" { keep; }
