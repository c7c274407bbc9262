require ["mailboxid", "fileinto"];
keep :mailboxid "a";
