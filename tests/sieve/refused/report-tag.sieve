require "vnd.dovecot.report";
report :loud "abuse" "text" "a@example.org";
