require ["copy", "fileinto", "mailbox"];
redirect :copy "dora@example.org";
fileinto :create "Other";
