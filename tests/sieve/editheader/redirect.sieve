require ["editheader", "fileinto", "mailbox"];
addheader "X-New" "value";
redirect "carl@example.com";
