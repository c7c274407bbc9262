require ["mailboxid", "fileinto"];
fileinto :mailboxid "x";
