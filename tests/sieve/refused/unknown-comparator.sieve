if header :comparator "i;nonsense" "subject" "a" { keep; }
