require ["mailboxid", "fileinto"];
if mailboxidexists { keep; }
