if header :1s "subject" "a" { keep; }
