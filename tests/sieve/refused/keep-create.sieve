require ["mailbox", "fileinto", "variables"];
keep :create;
