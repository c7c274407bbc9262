require ["fcc", "vacation", "mailbox", "imap4flags", "enotify", "fileinto"];
vacation :handle "second" :fcc "Made" :create :flags ["\\Seen"] "Away.";
