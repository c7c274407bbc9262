#!/bin/bash
# Is the server well, so far as another container would help? All roles answer, and SMTP greets. A full disk, a spamd that is
# away or a table with a fault is no reason to stop what still takes mail: `posthorn status` and /health tell of those.
page=$(posthorn status -c /etc/posthorn/conf/posthorn.toml)
case $? in
  0) ;;
  1) grep -qE '^(red:|red +|warning +)? *the role ' <<<"$page" && exit 1 ;;
  *) exit 1 ;;
esac
exec 3<>/dev/tcp/127.0.0.1/25 && read -r -t 5 line <&3 && [[ $line == 220* ]]
