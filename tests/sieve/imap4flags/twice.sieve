require ["imap4flags", "fileinto", "mailbox"];
fileinto :create :flags ["\\Seen", "first"] "Twice";
fileinto :create :flags "last" "Twice";
