require ["editheader", "fileinto", "mailbox"];
fileinto :create "Before";
addheader "X-New" "value";
fileinto :create "Behind";
