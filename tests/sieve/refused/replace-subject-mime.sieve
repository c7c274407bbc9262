require ["replace", "mime", "foreverypart", "fileinto", "mailbox"];
replace :headers "x" "y";
