if anyof "x" { keep; }
