require ["duplicate", "fileinto"];
if duplicate { fileinto "INBOX"; } else { keep; }
