#!/bin/bash
# Waits for the mail server's certificate (it makes one at its first start), sets Roundcube up and runs it. A renewed or
# better one is taken within ten seconds, without a restart.
#   MAIL_HOST       the mail server, by a name its certificate is for     WEBMAIL_DOMAIN  added to bare local names
set -euo pipefail
secrets=${POSTHORN_SECRETS:-/run/secrets}
host=${MAIL_HOST:?the name of the mail server}
tls=/etc/posthorn/tls
state=/var/lib/webmail

# The pair that the mail server shows itself: a secret, what it got by ACME (both in one file), else tls/cert.pem. Sets cert,
# key and who vouches for it: every public authority, and the server's own.
choose() {
  cert=$tls/cert.pem key=$tls/key.pem own=$tls/cert.pem trust=$state/trust.pem
  if [ -s "$secrets/dev-email-server-cert" ]; then
    cert=$secrets/dev-email-server-cert key=$secrets/dev-email-server-key
    own=$cert
    [ ! -s "$secrets/dev-email-server-ca" ] || trust=$secrets/dev-email-server-ca
  elif [ -s "$tls/acme/$host.pem" ]; then
    cert=$tls/acme/$host.pem key=$tls/acme/$host.pem
  fi
  [ -s "$cert" ] && [ -s "$key" ]
}
set_up() {
  install -d "$state"
  # It replaces the file at once, for PHP may read it meanwhile.
  cat /etc/ssl/certs/ca-certificates.crt "$own" >"$state/trust.new" 2>/dev/null || true
  mv "$state/trust.new" "$state/trust.pem"
  /usr/local/share/roundcube/setup "$state" --cert "$cert" --key "$key" --trust "$trust" --listen 0.0.0.0:443 \
    --imap "$host:993" --smtp "$host:465" --sieve "$host:4190" ${WEBMAIL_DOMAIN:+--domain "$WEBMAIL_DOMAIN"}
}
fingerprint() { cat "$cert" "$key" "$own" 2>/dev/null | sha256sum; }

for _ in $(seq 1 120); do ! choose || break; sleep 0.5; done
set_up
seen=$(fingerprint)
# As long as serve, which this process becomes.
while sleep "${MAIL_CERTIFICATE_INTERVAL:-10}" && kill -0 $$ 2>/dev/null; do
  choose && now=$(fingerprint) && [ "$now" != "$seen" ] || continue
  set_up && kill -HUP $$ && seen=$now
done </dev/null &
exec /usr/local/share/roundcube/serve "$state"
