#!/bin/bash
# The one step of spamd's image.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
here=$(dirname "$0")
begin=$(mktemp)
"$here/sources.sh"
apt-get update -qq
apt-get install -y -qq --no-install-recommends spamassassin spamd spamc >/dev/null
"$here/settle.sh" "$begin"
rm "$begin"
