require "fileinto";
if header :contains ["subject", "from", "to"] ["ü", "ß", "é", "中"] { fileinto "beyond-ascii"; }
