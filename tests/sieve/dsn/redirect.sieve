require "redirect-dsn";
redirect :notify "NEVER" :ret "HDRS" "a@example.org";
redirect :notify "SUCCESS,FAILURE" "b@example.org";
