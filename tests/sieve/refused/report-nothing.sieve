require "vnd.dovecot.report";
report;
