if size :over 1.5K { keep; }
