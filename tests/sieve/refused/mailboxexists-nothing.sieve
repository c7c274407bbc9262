require ["mailbox", "fileinto", "variables"];
if mailboxexists { keep; }
