require ["replace", "mime", "foreverypart", "fileinto", "mailbox"];
replace;
