#include "config/other_names.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <memory>
#include <net/if.h>
#include <netinet/in.h>
#include <optional>

namespace posthorn::config {
namespace {

std::string value_of(const Variables& variables, std::string_view name) {
  const auto found = variables.find(std::string(name));
  return found == variables.end() ? std::string() : found->second;
}

struct Known {
  std::string_view name, section, key;
};
// The value is taken as it stands.
constexpr Known kKnown[] = {
    {"OVERRIDE_HOSTNAME", "server", "hostname"},
    {"POSTMASTER_ADDRESS", "server", "postmaster"},
    {"SPOOF_PROTECTION", "submission", "check_sender"},
    {"ENABLE_OPENDKIM", "dkim", "sign"},
    {"DEFAULT_RELAY_HOST", "relay", "relayhost"},
    {"MOVE_SPAM_TO_JUNK", "filter", "spam_to_junk"},
    {"MARK_SPAM_AS_READ", "filter", "spam_is_read"},
    {"SPAM_SUBJECT", "filter", "spam_subject"},
    {"SA_TAG", "filter", "headers_score"},
    {"SA_TAG2", "filter", "spam_score"},
    {"ENABLE_QUOTAS", "store", "quotas"},
    {"POSTFIX_MAILBOX_SIZE_LIMIT", "store", "quota"},  // both in bytes; 0: none
};

struct Idle {
  std::string_view name, reason;
};
constexpr Idle kIdle[] = {
    {"ENABLE_FAIL2BAN",
     "auth.failures_max and auth.ban do it, without another program; `posthorn ban` shows it"},
    {"FAIL2BAN_BLOCKTYPE", "who is banned is refused by the server itself"},
    {"ENABLE_CLAMAV", "mail is not looked through for viruses"},
    {"ENABLE_RSPAMD", "the filter is SpamAssassin's spamd (filter.spamd)"},
    {"ENABLE_OPENDMARC", "DMARC is not looked up"},
    {"ENABLE_POLICYD_SPF", "SPF is not looked up, but by SpamAssassin's rules"},
    {"ENABLE_POSTGREY", "nobody is greylisted"},
    {"ENABLE_DNSBL", "lists are asked by SpamAssassin's rules alone"},
    {"POSTSCREEN_ACTION", "smtp.forbid_unauthorised_pipelining drops who sends ahead"},
    {"ENABLE_MTA_STS", "relay.mx_tls says how hosts are verified"},
    {"ENABLE_FETCHMAIL", "mail is fetched from nowhere; run fetchmail beside it"},
    {"ENABLE_GETMAIL", "mail is fetched from nowhere; run getmail beside it"},
    {"ENABLE_SASLAUTHD", "logins stand in paths.users"},
    {"ENABLE_LDAP", "there is no LDAP: accounts stand in paths.users"},
    {"ENABLE_OAUTH2", "logins stand in paths.users"},
    {"ACCOUNT_PROVISIONER", "accounts stand in paths.users and maps/"},
    {"ENABLE_UPDATE_CHECK", "it never asks for a newer one"},
    {"ONE_DIR", "paths.mail and paths.spool are all that it keeps"},
    {"POSTFIX_DAGENT", "its own store takes the mail"},
    {"POSTFIX_INET_PROTOCOLS", "listen.* and relay.source_address name the addresses"},
    {"DOVECOT_INET_PROTOCOLS", "listen.* names the addresses"},
    {"DOVECOT_MAILBOX_FORMAT", "mailboxes are maildirs; `posthorn import` takes others"},
    {"DOVECOT_TLS", "there is no LDAP"},
    {"POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME", "nobody is refused for their name"},
    {"ENABLE_SPAMASSASSIN_KAM", "spamd's rules are its own matter"},
    {"SPAMASSASSIN_KAM", "spamd's rules are its own matter"},
    {"SA_SHORTCIRCUIT_BAYES_SPAM", "spamd's rules are its own matter"},
    {"SA_SHORTCIRCUIT_BAYES_HAM", "spamd's rules are its own matter"},
    {"SPAMASSASSIN_SPAM_TO_INBOX", "spam is delivered, marked"},
    {"VIRUSMAILS_DELETE_DELAY", "nothing is put into quarantine"},
    {"TLS_LEVEL", "TLS 1.2 and 1.3 are spoken, as in its modern level"},
    {"NETWORK_INTERFACE", "listen.* names the addresses"},
    {"DMS_VMAIL_UID", "[users] names the accounts"},
    {"DMS_VMAIL_GID", "[users] names the accounts"},
    {"PFLOGSUMM_TRIGGER", "/metrics tells the numbers"},
    {"LOGWATCH_INTERVAL", "/metrics tells the numbers"},
    {"REPORT_RECIPIENT", "/metrics tells the numbers"},
    {"LOGROTATE_INTERVAL", "the log goes to standard output"},
    {"SUPERVISOR_LOGLEVEL", "log.level is one for all"},
};

// Networks of this machine but loopback, the first one first. bits: unset: the interface's own.
std::string own_networks(std::optional<unsigned> bits, bool all) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  std::string out;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr ||
        one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_LOOPBACK) != 0)
      continue;
    const auto address =
        ntohl(reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr);
    const auto mask =
        ntohl(reinterpret_cast<const sockaddr_in*>(one->ifa_netmask)->sin_addr.s_addr);
    const unsigned width = bits.value_or(static_cast<unsigned>(std::popcount(mask)));
    const std::uint32_t kept = width == 0 ? 0 : address & (0xFFFF'FFFFU << (32U - width));
    out += fmt::format("{}{}.{}.{}.{}/{}", out.empty() ? "" : ", ", kept >> 24U, kept >> 16U & 255U,
                       kept >> 8U & 255U, kept & 255U, width);
    if (!all) break;
  }
  return out;
}

// docker-mailserver: none, host (the container's bridge), network (Docker's range),
// connected-networks, container (itself alone).
std::string networks_for(std::string_view permit) {
  if (permit == "network") return "172.16.0.0/12";
  if (permit == "host") return own_networks(16, false);
  if (permit == "connected-networks") return own_networks(std::nullopt, true);
  if (permit == "container") return own_networks(32, true);
  return {};
}

std::string_view level_for(std::string_view level) {
  if (level == "trace" || level == "debug") return "debug";
  if (level == "warn" || level == "warning") return "warning";
  return level == "info" || level == "error" ? level : std::string_view();
}

bool is_off(std::string_view value) {
  return value.empty() || value == "0" || value == "none" || value == "false";
}

// docker-mailserver's DOMAINNAME: the host's name without its first label, where it has three or
// more. Empty: the environment names no host.
std::string domain_of_host(const Variables& variables) {
  std::string host = value_of(variables, "OVERRIDE_HOSTNAME");
  if (host.empty()) host = value_of(variables, "POSTHORN_SERVER_HOSTNAME");
  if (host.empty()) host = value_of(variables, "HOSTNAME");
  if (std::ranges::count(host, '.') > 1) host.erase(0, host.find('.') + 1);
  return host.find('.') == std::string::npos ? std::string() : host;
}

// Where rewritten senders are; empty: it is not on, or nothing says where.
std::string srs_domain(const Variables& variables) {
  if (value_of(variables, "ENABLE_SRS") != "1") return {};
  const std::string domain = value_of(variables, "SRS_DOMAINNAME");
  return domain.empty() ? domain_of_host(variables) : domain;
}

}  // namespace

std::vector<Override> find_other_names(const Variables& variables) {
  std::vector<Override> found;
  const auto get = [&](std::string_view name) { return value_of(variables, name); };
  const auto set = [&](std::string_view name, std::string_view section, std::string_view key,
                       std::string value) {
    found.push_back({std::string(name), std::string(section), std::string(key), std::move(value)});
  };
  for (const Known& known : kKnown)
    if (std::string value = get(known.name); !value.empty())
      set(known.name, known.section, known.key, std::move(value));
  if (const std::string host = get("RELAY_HOST"); !host.empty()) {
    const std::string port = get("RELAY_PORT");
    set("RELAY_HOST", "relay", "relayhost",
        fmt::format("[{}]:{}", host, port.empty() ? "25" : port));
  }
  // The name of before 2024; "undef": none.
  if (const std::string mark = get("SA_SPAM_SUBJECT"); !mark.empty() && mark != "undef")
    set("SA_SPAM_SUBJECT", "filter", "spam_subject", mark);
  // Spam of SA_KILL or more is refused only by who says that none is to reach the inbox.
  if (get("SPAMASSASSIN_SPAM_TO_INBOX") == "0")
    set("SPAMASSASSIN_SPAM_TO_INBOX", "filter", "discard_score",
        get("SA_KILL").empty() ? "10.0" : get("SA_KILL"));
  for (const std::string_view name : {"ENABLE_SPAMASSASSIN", "ENABLE_AMAVIS"})
    if (get(name) == "0") set(name, "filter", "spamd", "");
  // There it teaches rspamd what is moved into Junk and out of it.
  if (get("RSPAMD_LEARN") == "1") set("RSPAMD_LEARN", "filter", "learn", "site");
  const auto turn_off = [&](std::string_view name, std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) set(name, "listen", key, "");
  };
  if (get("ENABLE_POP3") == "0") turn_off("ENABLE_POP3", {"pop3", "pop3s"});
  if (get("ENABLE_IMAP") == "0") turn_off("ENABLE_IMAP", {"imap", "imaps"});
  if (get("ENABLE_MANAGESIEVE") == "0") turn_off("ENABLE_MANAGESIEVE", {"managesieve"});
  if (get("SMTP_ONLY") == "1")
    turn_off("SMTP_ONLY", {"imap", "imaps", "pop3", "pop3s", "managesieve"});
  if (std::string limit = get("POSTFIX_MESSAGE_SIZE_LIMIT"); !limit.empty())
    set("POSTFIX_MESSAGE_SIZE_LIMIT", "smtp", "message_max", limit == "0" ? "2GB" : limit);
  if (const std::string_view level = level_for(get("LOG_LEVEL")); !level.empty())
    set("LOG_LEVEL", "log", "level", std::string(level));
  if (const std::string domain = srs_domain(variables); !domain.empty()) {
    set("ENABLE_SRS", "srs", "domain", domain);
    if (std::string excluded = get("SRS_EXCLUDE_DOMAINS"); !excluded.empty())
      set("SRS_EXCLUDE_DOMAINS", "srs", "exclude_domains", std::move(excluded));
  }
  const std::string type = get("SSL_TYPE");
  if (type == "manual" && !get("SSL_CERT_PATH").empty() && !get("SSL_KEY_PATH").empty()) {
    set("SSL_CERT_PATH", "paths", "certificate", get("SSL_CERT_PATH"));
    set("SSL_KEY_PATH", "paths", "key", get("SSL_KEY_PATH"));
  }
  const std::string host = get(get("OVERRIDE_HOSTNAME").empty() ? "HOSTNAME" : "OVERRIDE_HOSTNAME");
  if (type == "letsencrypt" && host.find('.') != std::string::npos &&
      host.find('/') == std::string::npos) {
    set("SSL_TYPE", "paths", "certificate",
        fmt::format("/etc/letsencrypt/live/{}/fullchain.pem", host));
    set("SSL_TYPE", "paths", "key", fmt::format("/etc/letsencrypt/live/{}/privkey.pem", host));
  }
  if (std::string networks = networks_for(get("PERMIT_DOCKER")); !networks.empty())
    set("PERMIT_DOCKER", "smtp", "relay_from", std::move(networks));
  return found;
}

namespace {

std::string_view why_no_pair(std::string_view type) {
  if (type == "manual") return "set SSL_CERT_PATH and SSL_KEY_PATH, both, to the files";
  if (type == "letsencrypt")
    return "it takes /etc/letsencrypt/live/NAME, so set OVERRIDE_HOSTNAME to the certificate's "
           "NAME";
  return "paths.certificate and paths.key name the files; it knows manual and letsencrypt";
}

}  // namespace

std::vector<std::string> find_idle_names(const Variables& variables) {
  std::vector<std::string> found;
  const auto get = [&](std::string_view name) { return value_of(variables, name); };
  const auto tell = [&](std::string_view name, std::string_view reason) {
    found.push_back(fmt::format("{} changes nothing: {}", name, reason));
  };
  for (const Idle& idle : kIdle)
    if (!is_off(get(idle.name))) tell(idle.name, idle.reason);
  if (!get("SA_KILL").empty() && get("SPAMASSASSIN_SPAM_TO_INBOX") != "0")
    tell("SA_KILL", "spam is delivered, marked, unless SPAMASSASSIN_SPAM_TO_INBOX is 0");
  for (const std::string_view name : {"ENABLE_SPAMASSASSIN", "ENABLE_AMAVIS"})
    if (get(name) == "1") tell(name, "filter.spamd names the spamd that is asked");
  if (get("ENABLE_POP3") == "1") tell("ENABLE_POP3", "listen.pop3 and listen.pop3s say it");
  if (get("ENABLE_MANAGESIEVE") == "1") tell("ENABLE_MANAGESIEVE", "listen.managesieve says it");
  if (get("ENABLE_SRS") == "1" && srs_domain(variables).empty())
    tell("ENABLE_SRS", "name the domain of rewritten senders: SRS_DOMAINNAME, or srs.domain");
  if (get("SRS_SENDER_CLASSES").find("header_sender") != std::string::npos)
    tell("SRS_SENDER_CLASSES", "only the envelope's sender is rewritten, never the From field");
  if (get("ENABLE_SRS") != "1")
    for (const std::string_view name : {"SRS_DOMAINNAME", "SRS_EXCLUDE_DOMAINS"})
      if (!get(name).empty()) tell(name, "ENABLE_SRS is not 1");
  if (get("ENABLE_IMAP") == "1") tell("ENABLE_IMAP", "listen.imap and listen.imaps say it");
  const std::string type = get("SSL_TYPE");
  const auto made = find_other_names(variables);
  if (!type.empty() &&
      std::ranges::none_of(made, [](const Override& one) { return one.key == "certificate"; }))
    tell("SSL_TYPE", why_no_pair(type));
  if (const std::string level = get("LOG_LEVEL"); !level.empty() && level_for(level).empty())
    tell("LOG_LEVEL", "it is none of trace, debug, info, warn, error");
  if (const std::string permit = get("PERMIT_DOCKER");
      !is_off(permit) && networks_for(permit).empty())
    tell("PERMIT_DOCKER", "it is none of host, network, connected-networks, container");
  return found;
}

}  // namespace posthorn::config
