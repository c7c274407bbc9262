if exists :is "a" { keep; }
