require ["body", "fileinto"];
if body :raw :contains "the" { fileinto "the"; }
