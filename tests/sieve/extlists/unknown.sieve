require ["extlists", "fileinto"];
if address :list "from" "no-such-list" { fileinto "INBOX"; }
