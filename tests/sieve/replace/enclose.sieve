require ["enclose", "fileinto", "mailbox"];
enclose :subject "[warning] look" :headers ["X-Warned: yes"] "careful with this";
fileinto :create "Enclosed";
