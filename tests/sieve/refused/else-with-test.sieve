if true { } else false { }
