#!/bin/bash
# Step 1 of the image, in its first stage: what building needs, then the Debian packages, into /out.
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy/container/sources.sh
scripts/setup --build
rm -rf /out
mkdir /out
deploy/debian/build | xargs cp -t /out
