require ["replace", "mime", "foreverypart", "fileinto", "mailbox"];
replace :subject "new subject" :from "server@example.net" "nothing else";
fileinto :create "Whole";
