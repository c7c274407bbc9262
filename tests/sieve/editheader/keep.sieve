require ["editheader", "fileinto", "mailbox"];
addheader "X-New" "value";
