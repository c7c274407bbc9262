#!/bin/bash
# Waits for the mail server's certificate (it makes one at its first start), sets Roundcube up and runs it.
#   MAIL_HOST       the mail server, by a name its certificate is for     WEBMAIL_DOMAIN  added to bare local names
set -euo pipefail
secrets=${POSTHORN_SECRETS:-/run/secrets}
host=${MAIL_HOST:?the name of the mail server}
cert=/etc/posthorn/tls/cert.pem key=/etc/posthorn/tls/key.pem trust=
if [ -s "$secrets/dev-email-server-cert" ]; then
  cert=$secrets/dev-email-server-cert key=$secrets/dev-email-server-key
  [ ! -s "$secrets/dev-email-server-ca" ] || trust=$secrets/dev-email-server-ca
fi
for _ in $(seq 1 120); do
  [ ! -s "$cert" ] || [ ! -s "$key" ] || break
  sleep 0.5
done
/usr/local/share/roundcube/setup /var/lib/webmail --cert "$cert" --key "$key" ${trust:+--trust "$trust"} --listen 0.0.0.0:443 \
  --imap "$host:993" --smtp "$host:465" --sieve "$host:4190" ${WEBMAIL_DOMAIN:+--domain "$WEBMAIL_DOMAIN"}
exec /usr/local/share/roundcube/serve /var/lib/webmail
