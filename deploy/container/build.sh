#!/bin/bash
# Step 1 of the image, in its first stage: what building needs, then the Debian package, into /out.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/setup --build
apt-get install -y -qq --no-install-recommends dpkg-dev file >/dev/null
deploy/debian/build
mkdir -p /out
cp build/release/packages/posthorn_*.deb build/release/packages/posthorn-mta_*.deb /out/
