#!/bin/bash
# Takes the certificate that another program made or renewed into /etc/posthorn/tls, where the server sees it within a
# second. The entrypoint runs this at the start and then every ten seconds; nothing to take is no fault. It never takes half
# a pair, nor from MAIL_CERTIFICATES one for other names.
#   certificate.sh NAME          the server's name
# From the first of these that is there:
#   secrets or bind mounts dev-email-server-{ca,cert,key}
#   /etc/ssl/certs/mail.cert.pem (and ca.cert.pem) with /etc/ssl/private/mail.key.pem
#   $MAIL_CERTIFICATES, a folder or file of another program, mounted whole:
#     certbot     its /etc/letsencrypt: live/NAME/fullchain.pem, privkey.pem
#     Caddy       its data folder: …/certificates/AUTHORITY/NAME/NAME.crt, NAME.key
#     Traefik     its acme.json, or the folder that holds it
#     others      fullchain.pem and privkey.pem, cert.pem and key.pem, or tls.crt and tls.key, in the folder itself
#   where NAME may also be the domain above it, or that domain's wildcard.
set -euo pipefail
umask 022
name=$1
tls=/etc/posthorn/tls
secrets=${POSTHORN_SECRETS:-/run/secrets}
cert= key= ca=
say() { echo "entrypoint: $*" >&2; }

# The first of these files that is there.
first_of() { for file in "$@"; do [ ! -s "$file" ] || { echo "$file"; return; }; done; }

# A certificate for the server's name?
is_ours() { openssl x509 -in "$1" -noout -checkhost "$name" 2>/dev/null | grep -q 'does match certificate'; }

# Of the pairs that are there and ours, the newest.
offer() { # CERT KEY
  [ -s "$1" ] && [ -s "$2" ] && is_ours "$1" || return 0
  if [ -z "$cert" ] || [ "$1" -nt "$cert" ]; then cert=$1 key=$2; fi
}

# Traefik keeps pairs as base64 in JSON: "domain":{"main":…,"sans":[…]},"certificate":"…","key":"…", for each of its resolvers.
offer_traefik() { # FILE
  local record work
  [ -s "$1" ] || return 0
  work=$(mktemp -d)
  trap "rm -rf '$work'" EXIT
  while IFS= read -r record; do
    sed -n 's/.*"certificate":"\([A-Za-z0-9+/=]*\)".*/\1/p' <<<"$record" | base64 -d >"$work/cert.new" 2>/dev/null || continue
    (umask 077; sed -n 's/.*"key":"\([A-Za-z0-9+/=]*\)".*/\1/p' <<<"$record" | base64 -d >"$work/key.new") 2>/dev/null || continue
    is_ours "$work/cert.new" || continue
    mv "$work/cert.new" "$work/cert.pem"
    mv "$work/key.new" "$work/key.pem"
    offer "$work/cert.pem" "$work/key.pem"
    break
  done < <(tr -d ' \t\r\n' <"$1" | sed 's/"domain":/\n&/g' | grep '^"domain":')
}

look_around() { # FOLDER-OR-FILE
  local at=$1 above=${name#*.} each file
  [ -d "$at" ] || { offer_traefik "$at"; return; }
  for each in "$name" "$above"; do
    offer "$at/live/$each/fullchain.pem" "$at/live/$each/privkey.pem"
    offer "$at/$each/fullchain.pem" "$at/$each/privkey.pem"
  done
  while IFS= read -r file; do offer "$file" "${file%.crt}.key"; done < <(find "$at" -maxdepth 6 -type f \
    \( -name "$name.crt" -o -name "$above.crt" -o -name "wildcard_.$above.crt" \) 2>/dev/null)
  offer "$at/fullchain.pem" "$at/privkey.pem"
  offer "$at/cert.pem" "$at/key.pem"
  offer "$at/tls.crt" "$at/tls.key"
  [ -n "$cert" ] || offer_traefik "$at/acme.json"
}

cert=$(first_of "$secrets/dev-email-server-cert" /etc/ssl/certs/mail.cert.pem)
key=$(first_of "$secrets/dev-email-server-key" /etc/ssl/private/mail.key.pem)
if [ -n "$cert$key" ]; then
  [ -n "$cert" ] && [ -n "$key" ] || { say "a certificate and its key go together; found only ${cert:-$key}: mount the other, too"; exit 78; }
  ca=$(first_of "$secrets/dev-email-server-ca" /etc/ssl/certs/ca.cert.pem)
elif [ -n "${MAIL_CERTIFICATES:-}" ]; then
  look_around "$MAIL_CERTIFICATES"
  [ -n "$cert" ] || { say "MAIL_CERTIFICATES: below $MAIL_CERTIFICATES is no pair for $name yet (certbot's live/$name, Caddy's $name.crt, Traefik's acme.json); it is taken when it is there"; exit 0; }
else
  exit 0
fi

install -d -m 0755 "$tls"
# The server's own certificate, then who signed it: that is what a client is shown.
{ cat "$cert"; [ -z "$ca" ] || { echo; cat "$ca"; }; } >"$tls/cert.pem.new"
chmod 0644 "$tls/cert.pem.new"
# With the mode the server asks for: a secret is readable by root only, the front runs under its own account. Moved into
# place one after the other: between the two the server stays with the pair it has.
if ! cmp -s "$key" "$tls/key.pem"; then
  install -m 0640 -o root -g posthorn-tls "$key" "$tls/key.pem.new"
  mv "$tls/key.pem.new" "$tls/key.pem"
fi
if cmp -s "$tls/cert.pem.new" "$tls/cert.pem"; then rm "$tls/cert.pem.new"; else mv "$tls/cert.pem.new" "$tls/cert.pem"; fi
if [ -n "$ca" ] && ! cmp -s "$ca" "$tls/ca.pem"; then install -m 0644 "$ca" "$tls/ca.pem"; fi
