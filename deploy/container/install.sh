#!/bin/bash
# Step 2 of the image: the packages of step 1 with what they need, the folders that volumes go over, and nothing that
# only installing needed. No configuration: the entrypoint makes one at the first start.
#   install.sh FOLDER-WITH-THE-PACKAGES
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
here=$(dirname "$0")
begin=$(mktemp)
"$here/sources.sh"
apt-get update -qq
POSTHORN_INIT=no apt-get install -y -qq --no-install-recommends ca-certificates "$1"/posthorn_*.deb "$1"/posthorn-mta_*.deb >/dev/null
# The sample tables come with the first start, into the volume.
rm -rf /etc/posthorn
install -d -m 0755 /etc/posthorn
install -d -o vmail -g vmail -m 0700 /var/mail
"$here/settle.sh" "$begin"
rm "$begin"
