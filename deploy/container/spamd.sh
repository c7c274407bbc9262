#!/bin/bash
# The one step of spamd's image.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends spamassassin spamd spamc >/dev/null
apt-get clean
rm -rf /var/lib/apt/lists/*
