if size :over 2G { discard; }
