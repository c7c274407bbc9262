#!/bin/bash
# Is the server well? All roles answer, and SMTP greets.
posthorn status -c /etc/posthorn/conf/posthorn.toml >/dev/null || exit 1
exec 3<>/dev/tcp/127.0.0.1/25 && read -r -t 5 line <&3 && [[ $line == 220* ]]
