#!/bin/bash
# The container's first process: makes what is missing, then becomes the server (exec: signals reach it, and it reaps its
# own children). Any other command is run as it is: docker run IMAGE posthorn check.
# The first start makes a configuration in /etc/posthorn from the environment; after that the files are the truth.
#   MAIL_HOSTNAME   the server's name (default: the container's)         MAIL_DOMAINS   the mail domains, by spaces
#   MAIL_SPAMD      SpamAssassin, as host:port                            POSTHORN_PROFILE   default, dev, local, test
#   MAIL_PGSQL      PostgreSQL for tables and accounts: host=postgres dbname=posthorn user=posthorn; its password in
#                   MAIL_PGSQL_PASSWORD__FILE, or the secret postgres-password
#   MAIL_ACCOUNT    a first account, with MAIL_PASSWORD or MAIL_PASSWORD__FILE (a secret's file)
# Certificate: secrets or bind mounts dev-email-server-{ca,cert,key}, or /etc/ssl/certs/mail.cert.pem and
# /etc/ssl/private/mail.key.pem, or what lies in /etc/posthorn/tls; without any, one is made that signs itself.
set -euo pipefail

conf=/etc/posthorn/conf/posthorn.toml
secrets=${POSTHORN_SECRETS:-/run/secrets}
say() { echo "entrypoint: $*" >&2; }

# name, then where a certificate or key may be; the first that is there.
first_of() { for file in "$@"; do [ ! -s "$file" ] || { echo "$file"; return; }; done; }

# Copied, with the mode the server asks for: a secret is readable by root only, the front runs under its own account.
take_certificate() {
  local cert key ca
  cert=$(first_of "$secrets/dev-email-server-cert" /etc/ssl/certs/mail.cert.pem)
  key=$(first_of "$secrets/dev-email-server-key" /etc/ssl/private/mail.key.pem)
  ca=$(first_of "$secrets/dev-email-server-ca" /etc/ssl/certs/ca.cert.pem)
  [ -n "$cert$key" ] || return 0
  [ -n "$cert" ] && [ -n "$key" ] || { say "a certificate and its key go together; found only ${cert:-$key}"; exit 78; }
  install -d -m 0755 /etc/posthorn/tls
  # The server's own certificate, then who signed it: that is what a client is shown.
  { cat "$cert"; [ -z "$ca" ] || { echo; cat "$ca"; }; } >/etc/posthorn/tls/cert.pem.new
  install -m 0640 -o root -g posthorn-tls "$key" /etc/posthorn/tls/key.pem
  mv /etc/posthorn/tls/cert.pem.new /etc/posthorn/tls/cert.pem
  chmod 0644 /etc/posthorn/tls/cert.pem
  [ -z "$ca" ] || install -m 0644 "$ca" /etc/posthorn/tls/ca.pem
}

# Copied, with the mode the server asks for, into the folder of the accounts.
take_database_password() {
  local password
  [ -n "${MAIL_PGSQL:-}" ] || return 0
  password=$(first_of "${MAIL_PGSQL_PASSWORD__FILE:-}" "$secrets/postgres-password")
  [ -n "$password" ] || return 0
  install -d -m 0755 /etc/posthorn/conf
  install -m 0640 -o root -g posthorn-lookup "$password" /etc/posthorn/conf/pgsql-password
}

# At each start, for a new version may bring new tables. A database that stays away does not keep the server from
# starting: it takes nothing that it could not look up, and loses nothing.
reach_database() {
  local try why
  grep -q '^users = "pgsql"' "$conf" || { [ -z "${MAIL_PGSQL:-}" ] || say "MAIL_PGSQL changes nothing: $conf is there"; return 0; }
  for try in $(seq 1 "${MAIL_PGSQL_TRIES:-60}"); do
    if why=$(posthorn migrate 2>&1); then
      # Empty tables begin with what the first configuration has.
      [ -n "$(posthorn domain list)" ] || posthorn tables copy text pgsql >&2
      return 0
    fi
    sleep 1
  done
  say "$why"
  return 1
}

first_start() {
  local host domains=() domain
  host=${MAIL_HOSTNAME:-${OVERRIDE_HOSTNAME:-$(hostname)}}
  for domain in ${MAIL_DOMAINS:-$host}; do domains+=(--domain "$domain"); done
  say "a first configuration for $host (${MAIL_DOMAINS:-$host})"
  posthorn init /etc/posthorn --hostname "$host" "${domains[@]}" --mail /var/mail --spool /var/spool/posthorn \
    --run /run/posthorn --profile "${POSTHORN_PROFILE:-default}" ${MAIL_SPAMD:+--spamd "$MAIL_SPAMD"} \
    ${MAIL_PGSQL:+--pgsql "$MAIL_PGSQL"} >&2
}

# Again at each start: an account of the environment that is not there yet. The password is not left in the environment.
first_account() {
  local password=${MAIL_PASSWORD:-}
  [ -n "${MAIL_ACCOUNT:-}" ] || return 0
  [ -z "${MAIL_PASSWORD__FILE:-}" ] || password=$(cat "$MAIL_PASSWORD__FILE")
  [ -n "$password" ] || { say "MAIL_ACCOUNT needs MAIL_PASSWORD or MAIL_PASSWORD__FILE"; exit 78; }
  posthorn user list | grep -qxF "$MAIL_ACCOUNT" && return 0
  printf '%s\n' "$password" | posthorn user add "$MAIL_ACCOUNT" --password-stdin >&2
}

if [ $# -gt 0 ] && [ "$1" != serve ]; then exec "$@"; fi
[ $# -eq 0 ] || shift
export POSTHORN_CONFIG=$conf
# Volumes come empty and owned by root.
install -d -m 0711 /run/posthorn
install -d -o posthorn-queue -g posthorn-queue -m 0700 /var/spool/posthorn
install -d -o vmail -g vmail -m 0700 /var/mail
take_certificate
take_database_password
[ -e "$conf" ] || first_start
if reach_database; then first_account; fi
unset MAIL_PASSWORD
exec posthorn serve -c "$conf" "$@"
