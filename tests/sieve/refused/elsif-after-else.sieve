if true { } else { } elsif true { }
