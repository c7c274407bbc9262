require ["vnd.dovecot.pipe", "copy"];
pipe "program";
