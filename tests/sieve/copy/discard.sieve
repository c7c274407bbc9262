require ["copy", "fileinto", "mailbox"];
fileinto :copy :create "Third";
discard;
