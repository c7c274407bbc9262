if header :nonsense "subject" "a" { keep; }
