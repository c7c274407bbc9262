if true { } elseif true { }
