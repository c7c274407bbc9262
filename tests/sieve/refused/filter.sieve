require "vnd.dovecot.filter";
filter "program";
