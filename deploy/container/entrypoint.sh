#!/bin/bash
# The container's first process: makes what is missing, then becomes the server (exec: signals reach it, and it reaps its
# own children). Any other command is run as it is: docker run IMAGE posthorn check.
# The first start makes a configuration in /etc/posthorn from the environment; after that the files are the truth.
#   MAIL_HOSTNAME   the server's name (default: the container's)         MAIL_DOMAINS   the mail domains, by spaces or commas
#   MAIL_SPAMD      SpamAssassin, as host:port                            POSTHORN_PROFILE   default, dev, local, test
#   MAIL_PGSQL      PostgreSQL for tables and accounts: host=postgres dbname=posthorn user=posthorn; its password in
#                   MAIL_PGSQL_PASSWORD__FILE, or the secret postgres-password
#   MAIL_ACCOUNT    a first account, with MAIL_PASSWORD or MAIL_PASSWORD__FILE (a secret's file)
#   MAIL_FROM_DMS   docker-mailserver's config folder, taken over at the first start; its mail volume may lie at /var/mail
# One pair of quotes around a value and a CR at its end, as env files leave them, are taken off.
#   MAIL_CERTIFICATES   where another program keeps certificates, mounted: certbot's /etc/letsencrypt, Caddy's data folder,
#                   Traefik's acme.json (certificate.sh)
# Settings of posthorn.toml are POSTHORN_SECTION_KEY: POSTHORN_ACME_DIRECTORY, POSTHORN_ACME_EMAIL, POSTHORN_ACME_AGREE_TERMS.
# Certificate: what the server gets itself by ACME; else secrets or bind mounts dev-email-server-{ca,cert,key}, or
# /etc/ssl/certs/mail.cert.pem and /etc/ssl/private/mail.key.pem, or MAIL_CERTIFICATES, or what lies in /etc/posthorn/tls;
# without any, one is made with an authority of its own. Renewed ones are taken within ten seconds, without a restart.
set -euo pipefail

conf=/etc/posthorn/conf/posthorn.toml
secrets=${POSTHORN_SECRETS:-/run/secrets}
say() { echo "entrypoint: $*" >&2; }
refuse() { say "$*"; exit 78; }

# What `docker run --env-file` and editors of other systems leave around a value.
clean_variables() {
  local name value
  while IFS= read -r name; do
    value=${!name%$'\r'}
    if [ ${#value} -ge 2 ]; then
      case $value in
        \"*\") value=${value#\"} value=${value%\"} ;;
        \'*\') value=${value#\'} value=${value%\'} ;;
      esac
    fi
    [ "$value" = "${!name}" ] || export "$name=$value"
  done < <(compgen -e | grep -vxE 'PATH|HOME|PWD|OLDPWD|SHLVL|_|TERM|LANG|LC_.*')
}

# Before anything is written: what names a file names one that can be read, and domains are domains.
check_variables() {
  local name file domain domains
  while IFS= read -r name; do
    file=${!name}
    [ -z "$file" ] || [ -f "$file" ] || refuse "$name: there is no file $file; is the secret mounted?"
    [ -z "$file" ] || [ -r "$file" ] || refuse "$name: $file cannot be read"
  done < <(compgen -e | grep -E '__FILE$')
  if [ "${POSTHORN_PROFILE:-}" = test ]; then
    while IFS= read -r name; do
      file=${!name}
      [ -z "$file" ] || [ -f "$secrets/$file" ] || refuse "$name: there is no file $secrets/$file; is the secret mounted?"
    done < <(compgen -e | grep -xE '(SMTP_USER|SMTP_PASSWD|IMAP_USER[12]?|IMAP_PASSWD)_SECRET')
  fi
  domains=${MAIL_DOMAINS:-}
  set -f
  for domain in ${domains//,/ }; do
    case $domain in
      *[][*?{}\"\'\\/@:\;\<\>\(\)]* | .* | *..* | -*) refuse "MAIL_DOMAINS: \"$domain\" is no domain" ;;
    esac
  done
  set +f
  [ -z "${MAIL_CERTIFICATES:-}" ] || [ -e "$MAIL_CERTIFICATES" ] || refuse "MAIL_CERTIFICATES: there is no $MAIL_CERTIFICATES; is it mounted?"
  [ -z "${MAIL_FROM_DMS:-}" ] || [ -d "$MAIL_FROM_DMS" ] || refuse "MAIL_FROM_DMS: there is no folder $MAIL_FROM_DMS"
}

# The first line of a secret's file, whatever ends it.
read_secret() { local line=; IFS= read -r line <"$1" || true; printf '%s' "${line%$'\r'}"; }

take_certificate() { "$(dirname "$0")/certificate.sh" "$host"; }

# As long as the server, which this process becomes, is there. What is wrong was said at the start; a pair that is no pair
# the server refuses itself.
keep_certificate() {
  while sleep "${MAIL_CERTIFICATE_INTERVAL:-10}" && kill -0 $$ 2>/dev/null; do take_certificate 2>/dev/null || true; done
}

# The first of these files that is there.
first_of() { for file in "$@"; do [ ! -s "$file" ] || { echo "$file"; return; }; done; }

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
  local domains=() domain given=${MAIL_DOMAINS:-}
  set -f
  for domain in ${given//,/ }; do domains+=(--domain "$domain"); done
  set +f
  # docker-mailserver's accounts name their domains themselves.
  [ ${#domains[@]} -gt 0 ] || [ -n "${MAIL_FROM_DMS:-}" ] || domains=(--domain "$host")
  say "a first configuration for $host (${MAIL_DOMAINS:-$host})"
  posthorn init /etc/posthorn --hostname "$host" "${domains[@]}" --mail /var/mail --spool /var/spool/posthorn \
    --run /run/posthorn --state /var/lib/posthorn --webroot /var/lib/posthorn/webroot --profile "${POSTHORN_PROFILE:-default}" ${MAIL_SPAMD:+--spamd "$MAIL_SPAMD"} \
    ${MAIL_PGSQL:+--pgsql "$MAIL_PGSQL"} ${MAIL_FROM_DMS:+--from-dms "$MAIL_FROM_DMS"} </dev/null >&2  # a terminal is not asked
  # docker-mailserver's mail belongs to its own account, 5000; its folders are laid out as ours.
  [ -z "${MAIL_FROM_DMS:-}" ] || find /var/mail -xdev \( -uid 5000 -o -gid 5000 \) -exec chown -h vmail:vmail {} +
}

# Again at each start: an account of the environment that is not there yet. The password is not left in the environment.
first_account() {
  local password=${MAIL_PASSWORD:-}
  [ -n "${MAIL_ACCOUNT:-}" ] || return 0
  [ -z "${MAIL_PASSWORD__FILE:-}" ] || password=$(read_secret "$MAIL_PASSWORD__FILE")
  [ -n "$password" ] || { say "MAIL_ACCOUNT needs MAIL_PASSWORD or MAIL_PASSWORD__FILE"; exit 78; }
  posthorn user list | grep -qxF "$MAIL_ACCOUNT" && return 0
  printf '%s\n' "$password" | posthorn user add "$MAIL_ACCOUNT" --password-stdin >&2
}

if [ $# -gt 0 ] && [ "$1" != serve ]; then exec "$@"; fi
[ $# -eq 0 ] || shift
export POSTHORN_CONFIG=$conf
clean_variables
check_variables
host=${MAIL_HOSTNAME:-${OVERRIDE_HOSTNAME:-$(hostname)}}
# Volumes come empty and owned by root.
install -d -m 0711 /run/posthorn
install -d -o posthorn-queue -g posthorn-queue -m 0700 /var/spool/posthorn
install -d -o vmail -g vmail -m 0700 /var/mail
take_certificate || exit
take_database_password
[ -e "$conf" ] || first_start
if reach_database; then first_account; fi
unset MAIL_PASSWORD
keep_certificate </dev/null &
exec posthorn serve -c "$conf" "$@"
