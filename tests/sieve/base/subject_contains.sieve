require "fileinto";
if header :contains "subject" ["test", "a", "re:"] { fileinto "hit"; }
