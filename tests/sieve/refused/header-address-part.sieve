if header :domain "from" "a" { keep; }
