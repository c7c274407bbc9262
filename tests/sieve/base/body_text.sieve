require ["body", "fileinto"];
if body :text :contains ["text", "body"] { fileinto "text"; }
