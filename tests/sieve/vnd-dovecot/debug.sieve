require ["vnd.dovecot.debug", "fileinto"];
debug_log "a line";
fileinto "INBOX";
