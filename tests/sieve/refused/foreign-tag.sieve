if header :over "subject" "a" { keep; }
