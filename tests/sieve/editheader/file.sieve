require ["editheader", "fileinto", "mailbox"];
addheader "X-New" "value";
deleteheader "X-Other";
fileinto :create "Edited";
