require ["copy", "fileinto", "mailbox"];
fileinto :copy :create "Copies";
