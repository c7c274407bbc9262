if true { } else if true { }
