require ["fcc", "vacation", "mailbox", "imap4flags", "enotify", "fileinto"];
keep :fcc "Sent";
