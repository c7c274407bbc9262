require "vnd.dovecot.execute";
execute "program";
