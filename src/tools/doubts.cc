#include "tools/doubts.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/ascii.h"
#include "config/account_path.h"
#include "config/next_hop.h"
#include "config/quota.h"
#include "maps/table.h"
#include "net/networks.h"
#include "net/socket.h"

namespace posthorn::tools {
namespace {

constexpr std::size_t kSameMax = 20;
constexpr config::Bytes kMessageUsual = 1'000'000;  // less than a photograph

bool is_loopback(std::string_view host) {
  return host == "::1" || host.starts_with("127.") || host == "localhost";
}

class Doubts {
 public:
  explicit Doubts(const config::Config& config) : config_(config) {}

  config::Findings run() {
    look_at_name();
    look_at_entrances();
    look_at_sizes();
    look_at_times();
    look_at_relay();
    look_at_filter();
    look_at_networks();
    look_at_accounts();
    look_at_rest();
    return std::move(findings_);
  }

 private:
  void warn(std::string_view section, std::string_view key, std::string reason,
            std::string remedy) {
    findings_.push_back({config::place_of(config_, section, key),
                         fmt::format("{}.{}: {}", section, key, reason), std::move(remedy),
                         config::Weight::warning});
  }

  // Others reach it there.
  static bool is_public(const std::vector<std::string>& addresses) {
    return std::ranges::any_of(addresses, [](const std::string& text) {
      const auto address = net::parse_address(text);
      const auto* tcp = address ? std::get_if<net::TcpAddress>(&*address) : nullptr;
      return tcp != nullptr && !is_loopback(tcp->host);
    });
  }
  // The profiles for tests and development loosen what is loosened here, and say so.
  bool is_for_tests() const {
    const std::string& profile = config_.server.profile;
    return profile == "dev" || profile == "test" || profile == "local";
  }

  // RFC 5321 section 4.1.1.1: the name in EHLO is a fully qualified one.
  void look_at_name() {
    const std::string& host = config_.server.hostname;
    if (!host.empty() && host.find_first_not_of("0123456789.") == std::string::npos)
      warn("server", "hostname", fmt::format("{} is an address and no name", host),
           "write the name that the address resolves to, as mail.example.org");
    else if (!is_for_tests() && is_public(config_.listen.smtp) &&
             (host.find('.') == std::string::npos || host == "localhost.localdomain"))
      warn("server", "hostname",
           fmt::format("\"{}\" is no full name: many servers refuse mail from one that greets so",
                       host),
           "write the name that this machine's address resolves to, as mail.example.org");
    if (config_.smtp.banner.find('$') != std::string::npos ||
        (!host.empty() && host.find('.') != std::string::npos &&
         config_.smtp.banner.starts_with(host)))
      warn("smtp", "banner",
           fmt::format("\"{}\" stands behind the host name, and is taken as it is",
                       config_.smtp.banner),
           "leave the name out, and Postfix's $myhostname");
  }

  void look_at_entrances() {
    if (is_for_tests()) return;
    if (is_public(config_.listen.lmtp))
      warn("listen", "lmtp", "others than this machine reach it, and it asks for no login",
           "keep it on 127.0.0.1, or unix:/path");
    const bool has_plain = is_public(config_.listen.imap) || is_public(config_.listen.pop3) ||
                           is_public(config_.listen.managesieve) ||
                           is_public(config_.listen.submission);
    if (config_.auth.allow_plaintext && has_plain)
      warn("auth", "allow_plaintext", "passwords cross the network where everybody can read them",
           "false; or listen on 127.0.0.1 alone");
    const bool has_logins =
        has_plain || is_public(config_.listen.imaps) || is_public(config_.listen.submissions);
    if (config_.auth.any_user != config::AnyUser::none && has_logins)
      warn("auth", "any_user",
           fmt::format("\"{}\" lets in whoever knows an address", to_string(config_.auth.any_user)),
           "none; or listen on 127.0.0.1 alone");
    if (config_.route.any_domain == config::AnyDomain::anyone && is_public(config_.listen.smtp))
      warn("route", "any_domain", "mail for every domain there is ends here, whoever sends it",
           "none; or listen on 127.0.0.1 alone");
  }

  void look_at_sizes() {
    const config::Bytes message = config_.smtp.message_max;
    if (message < kMessageUsual)
      warn("smtp", "message_max",
           fmt::format("messages over {} are refused: few with an attachment fit",
                       quota::format_size(message)),
           "50MB is usual");
    if (config_.store.quotas && config_.store.quota > 0 && config_.store.quota < message)
      warn("store", "quota",
           fmt::format("an account holds {}, less than the largest message (smtp.message_max, {})",
                       quota::format_size(config_.store.quota), quota::format_size(message)),
           "mind the unit: \"1GB\"; 0 is no limit");
    struct statvfs disk{};
    if (config_.queue.free_min == 0 || ::statvfs(config_.paths.spool.c_str(), &disk) != 0) return;
    const std::uint64_t size = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize;
    if (size < config_.queue.free_min)
      warn("queue", "free_min",
           fmt::format("the disk of {} has {} in all: every mail is put off (451)",
                       config_.paths.spool.native(), quota::format_size(size)),
           "write less than is free there");
  }

  void look_at_times() {
    const config::Queue& queue = config_.queue;
    if (queue.retry_first > queue.retry_max)
      warn("queue", "retry_first", "longer than queue.retry_max, which is the longest wait",
           "write a shorter time");
    if (queue.retry_first >= queue.expire_after)
      warn("queue", "expire_after",
           "mail goes back before its second attempt (queue.retry_first): a server that is away "
           "for a moment loses it",
           "5d is usual");
  }

  void look_at_relay() {
    const config::Relay& relay = config_.relay;
    const auto look = [&](std::string_view key, const std::string& text) {
      const auto hop = config::parse_next_hop(text);
      if (!hop) return;
      if (config::is_own_entrance(config_, *hop))
        warn("relay", key,
             fmt::format("{} is this server itself: mail would go round until it is refused", text),
             "name the server that sends it on; empty: by MX");
      else if (hop->port == 465)
        warn("relay", key,
             fmt::format("{}: port 465 speaks TLS before any greeting, and STARTTLS is awaited",
                         text),
             "write port 587");
    };
    look("relayhost", relay.relayhost);
    for (const std::string& hop : relay.fallback) look("fallback", hop);
    if (relay.mx_port != 25 && !relay.private_mx)
      warn("relay", "mx_port",
           fmt::format("the servers of others take mail at port 25, not {}", relay.mx_port),
           "25; another port is for relay.relayhost");
    if (!relay.source_address.empty() && net::check_literal(relay.source_address)) {
      const auto bound = net::bind_socket(net::TcpAddress{relay.source_address, 0});
      if (!bound && bound.error().what.find("assign") != std::string::npos)
        warn("relay", "source_address",
             fmt::format("this machine has no address {}: nothing can be sent",
                         relay.source_address),
             "`ip address` shows what it has");
    }
  }

  void look_at_filter() {
    if (config_.filter.learn == config::Learn::user && !config_.filter.user.empty())
      warn("filter", "learn",
           fmt::format("users teach spamd each for himself, and it judges as {} (filter.user)",
                       config_.filter.user),
           "write \"site\", or empty filter.user");
    if (config_.filter.learn != config::Learn::off && config_.filter.spamd.empty())
      warn("filter", "learn", "there is no spamd to be taught", "name one in filter.spamd");
    const auto spam = config::parse_score(config_.filter.spam_score);
    const auto discard = config::parse_score(config_.filter.discard_score);
    if (spam && discard && *discard < *spam)
      warn("filter", "discard_score",
           "lower than filter.spam_score: mail that is no spam is thrown away",
           "write a higher one; empty: never");
  }

  void look_at_networks() {
    const auto look = [&](std::string_view section, std::string_view key,
                          const std::vector<std::string>& texts) {
      const auto networks = net::Networks::parse(texts);
      if (!networks) return;
      for (const std::string& warning : networks->warnings()) warn(section, key, warning, "");
    };
    look("limits", "exempt", config_.limits.exempt);
    look("web", "metrics_from", config_.web.metrics_from);
  }

  void look_at_accounts() {
    const config::Users& users = config_.users;
    for (const auto& [key, name] : {std::pair{"edge", &users.edge},
                                    {"lookup", &users.lookup},
                                    {"queue", &users.queue},
                                    {"store", &users.store},
                                    {"web", &users.web}})
      if (*name == "root")
        warn("users", key, "the role would keep all of root's rights",
             "name an account of its own");
  }

  void look_at_rest() {
    const std::string& signs = config_.maps.recipient_delimiter;
    if (std::ranges::any_of(signs, [](char c) {
          return c == '@' || c == ' ' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                 (c >= 'A' && c <= 'Z');
        }))
      warn("maps", "recipient_delimiter",
           fmt::format("\"{}\": each of these signs ends a name, and names have them", signs),
           "write \"+\"");
    const Path log = config_.log.file;
    std::error_code error;
    if (log != "-" && log.has_parent_path() && !std::filesystem::exists(log.parent_path(), error))
      warn("log", "file",
           fmt::format("there is no folder {}, and a start makes one", log.parent_path().native()),
           "make it yourself, or name another");
    const std::string mail = config_.paths.mail.native() + "/";
    const std::string spool = config_.paths.spool.native() + "/";
    if (mail.starts_with(spool) || spool.starts_with(mail))
      warn("paths", "mail", "the maildirs and the queue lie in one another",
           "give each its own folder");
  }

  const config::Config& config_;
  config::Findings findings_;
};

bool has_entries(const Path& folder) {
  std::error_code error;
  const std::filesystem::directory_iterator at(folder, error);
  return !error && at != std::filesystem::directory_iterator();
}

}  // namespace

config::Findings find_setting_doubts(const config::Config& config) {
  return Doubts(config).run();
}

config::Findings find_place_doubts(const config::Config& config) {
  config::Findings findings;
  const auto warn = [&](const Path& path, std::string reason, std::string remedy) {
    findings.push_back(
        {path.native(), std::move(reason), std::move(remedy), config::Weight::warning});
  };
  // What was kept below paths.state tells that it ran before.
  std::error_code error;
  const bool has_run = has_entries(config.paths.state / "lookup");
  for (const Path& path : {config.paths.spool, config.paths.mail})
    if (has_run && !std::filesystem::exists(path, error) && !error)
      warn(path, "there is no such folder any more, and a start makes an empty one",
           "is its disk mounted?");
  if (!config.trail.hindrance.empty())
    warn(config.file, "the trail of mails is off: " + config.trail.hindrance,
         "`scripts/setup --accounts` makes the account, and so does the package; or name another "
         "in [users], or switch trail.enabled off");
  if (!config.acme.hindrance.empty())
    warn(config.file, "no certificates are got by ACME: " + config.acme.hindrance,
         "`scripts/setup --accounts` makes the account, and so does the package; or name another "
         "in [users]");
  const auto name = maps::parse_table_name(config.maps.relay_sasl);
  if (name && name->is_file()) {
    const Path path = config.paths.maps / name->rest;
    struct stat st{};
    const auto text = read_file(path);
    if (::stat(path.c_str(), &st) == 0 && (st.st_mode & S_IROTH) != 0 && text && *text &&
        !maps::parse_text(**text, path.native()).entries.empty())
      warn(path, "every account of this machine can read the passwords in it",
           fmt::format("chmod o-r {}", path.native()));
  }
  return findings;
}

config::Findings find_mailbox_doubts(const config::Config& config,
                                     const std::vector<std::string>& mailboxes) {
  config::Findings findings;
  const auto warn = [&](const Path& path, std::string reason, std::string remedy) {
    if (findings.size() < kSameMax)
      findings.push_back(
          {path.native(), std::move(reason), std::move(remedy), config::Weight::warning});
  };
  const auto look = [&](const Path& path, int rights) {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0 || !S_ISDIR(st.st_mode) ||
        ::access(path.c_str(), rights) == 0)
      return true;
    warn(path,
         fmt::format("the account {} cannot change it (account number {}, mode {:04o})",
                     config.users.store, st.st_uid, st.st_mode & 07777U),
         fmt::format("chown -R {} {}", config.users.store, path.native()));
    return false;
  };
  if (!look(config.paths.mail, X_OK)) return findings;
  std::size_t looked = 0;
  for (const std::string& mailbox : mailboxes) {
    if (++looked > kMailboxesLookedAt) break;
    const auto path = config::account_path(config.paths.mail, config.store.location, mailbox);
    if (!path) continue;
    struct stat st{};
    if (::stat(path->c_str(), &st) != 0) {
      if (errno == ENOTDIR)
        warn(path->parent_path(), fmt::format("a file, where the folder of {} belongs", mailbox),
             "move it away");
      continue;
    }
    if (!S_ISDIR(st.st_mode)) {
      warn(*path, fmt::format("a file, where the maildir of {} belongs", mailbox),
           fmt::format("move it away; if it is an mbox: `posthorn import mbox FILE --user {}`",
                       mailbox));
      continue;
    }
    for (const char* part : {"", "cur", "new", "tmp"})
      if (!look(*part == '\0' ? *path : *path / part, R_OK | W_OK | X_OK)) break;
  }
  return findings;
}

}  // namespace posthorn::tools
