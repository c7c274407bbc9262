require ["fcc", "vacation", "mailbox", "imap4flags", "enotify", "fileinto"];
vacation :fcc;
