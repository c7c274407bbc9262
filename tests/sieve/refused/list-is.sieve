require ["extlists", "fileinto"];
if address :list :is "from" "friends" { keep; }
