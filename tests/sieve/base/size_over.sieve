require "fileinto";
if size :over 1K { fileinto "large"; } elsif size :over 300 { fileinto "middle"; } else { keep; }
