#!/bin/bash
# Last in each step of an image: away with what tells when and how the step went, so that two builds of one image are equal.
#   settle.sh BEGIN     a file made as the step began; what was written after it gets the date of SOURCE_DATE_EPOCH, if newer
set -euo pipefail
begin=$1
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin /var/lib/dpkg/*-old /var/cache/debconf/*-old \
  /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/machine-id /var/lib/dbus/machine-id
find /var/log -type f -delete
[ -n "${SOURCE_DATE_EPOCH:-}" ] || exit 0
find / -xdev -cnewer "$begin" -newermt "@$SOURCE_DATE_EPOCH" ! -path "$begin" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
