#!/bin/bash
# The one step of the webmail's image: Roundcube as Debian has it, PHP, nginx.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends roundcube-core roundcube-plugins roundcube-sqlite3 php-fpm nginx-light ca-certificates openssl >/dev/null
apt-get clean
rm -rf /var/lib/apt/lists/*
install -d /var/lib/webmail
