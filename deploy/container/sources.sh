#!/bin/bash
# First in each step of an image that installs something: whose packages. With SNAPSHOT (20261201T000000Z) those of that
# moment, from snapshot.debian.org, the same whenever the image is built; without, today's.
set -euo pipefail
[ -n "${SNAPSHOT:-}" ] || exit 0
[[ $SNAPSHOT =~ ^[0-9]{8}T[0-9]{6}Z$ ]] || { echo "sources.sh: SNAPSHOT is a moment as 20261201T000000Z, not $SNAPSHOT" >&2; exit 2; }
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources
for place in "debian $suite" "debian $suite-updates" "debian-security $suite-security"; do
  # A moment that has passed is what is wanted; who signed it is looked at all the same.
  echo "deb [check-valid-until=no] http://snapshot.debian.org/archive/${place% *}/$SNAPSHOT ${place#* } main"
done >/etc/apt/sources.list
