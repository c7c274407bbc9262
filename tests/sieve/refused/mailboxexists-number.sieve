require ["mailbox", "fileinto", "variables"];
if mailboxexists 1 { keep; }
