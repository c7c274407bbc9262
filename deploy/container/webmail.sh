#!/bin/bash
# The one step of the webmail's image: Roundcube as Debian has it, PHP, nginx.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
here=$(dirname "$0")
begin=$(mktemp)
"$here/sources.sh"
apt-get update -qq
apt-get install -y -qq --no-install-recommends roundcube-core roundcube-plugins roundcube-sqlite3 php-fpm nginx-light ca-certificates openssl >/dev/null
install -d /var/lib/webmail
"$here/settle.sh" "$begin"
rm "$begin"
