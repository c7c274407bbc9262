if header : "subject" "a" { keep; }
