if address 1 "a" { keep; }
