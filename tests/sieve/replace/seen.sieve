require ["replace", "body", "fileinto"];
replace "the new text";
if body :contains "the new text" { fileinto "INBOX"; } else { discard; }
