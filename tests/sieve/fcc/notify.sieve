require ["fcc", "vacation", "mailbox", "imap4flags", "enotify", "fileinto"];
notify :fcc "Notices" :create "mailto:pager@example.com";
