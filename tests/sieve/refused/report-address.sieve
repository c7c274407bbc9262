require "vnd.dovecot.report";
report "abuse" "text" "no address";
