require ["variables", "fileinto", "mailbox"];
if header :matches "subject" "[*] *" { fileinto :create "lists.${1}"; }
