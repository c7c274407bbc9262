if false "x" { keep; }
