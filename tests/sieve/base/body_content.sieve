require ["body", "fileinto"];
if body :content "text/html" :contains "" { fileinto "html"; } elsif body :content "text" :contains "a" { fileinto "a"; }
