require ["enclose", "fileinto", "mailbox"];
enclose :subject "[warning] look" :headers ["To"] "careful with this";
fileinto :create "Enclosed";
