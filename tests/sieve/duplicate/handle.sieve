require ["duplicate", "fileinto"];
if duplicate :handle "other" { fileinto "INBOX"; } else { keep; }
