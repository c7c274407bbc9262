require ["duplicate", "fileinto"];
if duplicate :header "X-Event" { fileinto "INBOX"; } else { keep; }
