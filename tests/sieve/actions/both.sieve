require ["fileinto", "mailbox"];
fileinto :create "Both";
keep;
