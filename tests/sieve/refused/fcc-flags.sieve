require ["fcc", "vacation", "mailbox", "imap4flags", "enotify", "fileinto"];
vacation :flags "\\Seen" "Away.";
