#include "tools/settings.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/service.h"
#include "base/ascii.h"
#include "config/account_path.h"
#include "config/quota.h"
#include "maps/migrations.h"
#include "maps/pgsql_queries.h"
#include "maps/table.h"
#include "message/mailbox_address.h"
#include "net/certificate_folder.h"
#include "net/socket.h"
#include "net/tls.h"
#include "process/sandbox.h"
#include "process/sockets.h"
#include "store/mailbox_name.h"

namespace posthorn::tools {
namespace {

class Settings {
 public:
  explicit Settings(const config::Config& config) : config_(config) {}

  template <class T>
  void expect(std::string_view section, std::string_view key, const Result<T>& result) {
    if (result) return;
    faults_.push_back(fmt::format("{}: {}.{}: {}", config::place_of(config_, section, key), section,
                                  key, result.error().what));
  }
  void add(std::string fault) { faults_.push_back(std::move(fault)); }
  std::vector<std::string> take() { return std::move(faults_); }

 private:
  const config::Config& config_;
  std::vector<std::string> faults_;
};

// Two accounts must never share a maildir.
Result<> check_location(const config::Config& config) {
  const auto path_of = [&](std::string_view account) {
    return config::account_path(config.paths.mail, config.store.location, account);
  };
  TRY(const Path path, path_of("user@domain"));
  TRY(const Path other_user, path_of("other@domain"));
  TRY(const Path other_domain, path_of("user@other"));
  const bool one_domain = !config.server.default_domain.empty();
  if (path == other_user || (path == other_domain && !one_domain))
    return fail(ErrorKind::config, "accounts would share one folder; name {domain} and {user}");
  return {};
}

// Who may send to anybody without a login. Half the Internet is an open relay as the whole is.
Result<> check_relay_from(const std::vector<std::string>& texts) {
  TRY(const auto networks, net::Networks::parse(texts));
  std::size_t far_apart = 0;
  for (const char* address : {"1.1.1.1", "9.9.9.9", "64.233.1.1", "130.89.1.1", "193.0.0.1",
                              "212.27.1.1", "2001:4860::1", "2400:cb00::1", "2a00:1450::1"})
    far_apart += networks.contains(address) ? 1 : 0;
  if (far_apart < 2 && networks.warnings().empty()) return {};
  return fail(ErrorKind::config,
              "it takes in most of the Internet: everybody could send to anybody through this "
              "server; name the networks that are yours");
}

Result<> expect_that(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorKind::config, std::move(why));
}

// Names that others are told: a greeting, Received, a domain of senders.
void expect_names(Settings& settings, const config::Config& config) {
  const auto is_name = [](std::string_view text, message::AddressCharset charset) {
    return text.empty() || message::is_domain(text, charset);
  };
  const std::string& host = config.server.hostname;
  settings.expect("server", "hostname",
                  expect_that(message::is_domain(host, message::AddressCharset::ascii),
                              fmt::format("\"{}\" is no host name; write one as "
                                          "mail.example.org",
                                          host)));
  const std::string& domain = config.server.default_domain;
  settings.expect(
      "server", "default_domain",
      expect_that(is_name(domain, message::AddressCharset::utf8),
                  fmt::format("\"{}\" is no domain; write one as example.org", domain)));
  const std::string& postmaster = config.server.postmaster;
  settings.expect(
      "server", "postmaster",
      expect_that(postmaster.empty() || message::parse_mailbox_address(postmaster).has_value(),
                  fmt::format("\"{}\" is no address; write one as admin@example.org", postmaster)));
  for (std::string_view name : config.srs.exclude_domains) {
    if (name.starts_with('.')) name.remove_prefix(1);
    settings.expect(
        "srs", "exclude_domains",
        expect_that(message::is_domain(name),
                    fmt::format("\"{}\" is no domain; write example.org, or .example.org for all "
                                "below it",
                                name)));
  }
}

// Folders that are made for each user.
void expect_folders(Settings& settings, const config::Store& store) {
  const auto expect = [&](std::string_view key, const std::string& name, bool may_be_empty) {
    if (name.empty() && may_be_empty) return;
    settings.expect(
        "store", key,
        expect_that(store::check_mailbox_name(name).has_value() && to_lower(name) != "inbox",
                    fmt::format("\"{}\" is no name of a folder beside INBOX; write one "
                                "as Sent, without / and without empty parts",
                                name)));
  };
  expect("drafts", store.drafts, true);
  expect("sent", store.sent, true);
  expect("trash", store.trash, true);
  expect("junk", store.junk, true);
  expect("archive", store.archive, true);
  for (const std::string& name : store.also_create) expect("also_create", name, false);
}

// What a start would end on, later and in other words.
void expect_places(Settings& settings, const config::Config& config) {
  if (const Path file = config.log.file; file != "-") {
    std::error_code error;
    settings.expect("log", "file",
                    expect_that(!std::filesystem::is_directory(file, error),
                                fmt::format("{} is a folder; name a file in it", file.native())));
  }
  // sockaddr_un holds 108 bytes; the names of the sockets take up to 32.
  constexpr std::size_t kRunMax = 108 - 32;
  settings.expect("paths", "run",
                  expect_that(config.paths.run.native().size() <= kRunMax,
                              fmt::format("{} is too long: a socket's path has 107 bytes; name a "
                                          "shorter folder, as /run/posthorn",
                                          config.paths.run.native())));
}

// Two services on one port, or none at all.
void expect_listeners(Settings& settings, const config::Config& config,
                      const std::vector<process::SocketSpec>& specs) {
  std::map<std::string, std::string> owners;
  for (const process::SocketSpec& spec : specs) {
    if (!std::holds_alternative<net::TcpAddress>(spec.address)) continue;
    const std::string address = net::to_string(spec.address);
    const auto [other, is_new] = owners.emplace(address, spec.name);
    if (!is_new && !address.ends_with(":0"))
      settings.expect("listen", spec.name,
                      Result<>(fail(ErrorKind::config,
                                    fmt::format("{} is the one of listen.{}, too; give each its "
                                                "own port",
                                                address, other->second))));
  }
  const config::Listen& lists = config.listen;
  const bool is_silent = std::ranges::all_of(
      std::initializer_list<const std::vector<std::string>*>{
          &lists.smtp, &lists.submission, &lists.submissions, &lists.imap, &lists.imaps,
          &lists.pop3, &lists.pop3s, &lists.managesieve, &lists.lmtp, &lists.http, &lists.https},
      [](const auto* list) { return list->empty(); });
  if (is_silent && config.submission.programs == config::Programs::off)
    settings.expect("listen", "smtp",
                    Result<>(fail(ErrorKind::config,
                                  "every list in [listen] is empty, so there is nothing to serve; "
                                  "write [\"0.0.0.0:25\", \"[::]:25\"]")));
}

class Permissions {
 public:
  // Nothing that everybody can write may decide what the server does; what is not there is judged
  // by whoever needs it.
  void check_written_by_owner(const Path& path) {
    if (path.empty()) return;
    const auto st = look(path);
    if (st && (st->st_mode & S_IWOTH) != 0)
      add(path, *st, "every account of this machine can change it", "o-w");
  }
  void check_read_by_owner(const Path& path) {
    const auto st = look(path);
    if (st && (st->st_mode & S_IROTH) != 0)
      add(path, *st, "every account of this machine can read this secret", "o-r");
  }
  // Whoever may change a folder on the way puts another file there; in one with the sticky bit
  // (/tmp) he can only do so where nothing is yet.
  void check_way(const Path& path) {
    if (path.empty()) return;
    const Path whole = std::filesystem::absolute(path).lexically_normal();
    for (Path folder = whole.parent_path(); folder != folder.root_path() && !folder.empty();
         folder = folder.parent_path()) {
      const auto st = look(folder);
      if (st && (st->st_mode & S_IWOTH) != 0 && (st->st_mode & S_ISVTX) == 0)
        add(folder, *st, "every account of this machine can change it", "o-w");
    }
  }
  void check_folder(const Path& path) {
    const auto st = look(path);
    if (st && !S_ISDIR(st->st_mode))
      faults_.push_back(
          fmt::format("{}: this is no folder, and one belongs here; move it away", path.native()));
  }
  void check_owner(const Path& path, const std::string& account) {
    const auto st = look(path);
    if (!st || st->st_uid == 0 || st->st_uid == geteuid()) return;
    if (const auto known = process::find_account(account); known && known->uid == st->st_uid)
      return;
    faults_.push_back(fmt::format("{}: belongs to account number {}, not to {}; chown -R {} {}",
                                  path.native(), st->st_uid, account, account, path.native()));
  }
  // Each once.
  std::vector<std::string> take() {
    std::vector<std::string> once;
    for (std::string& fault : faults_)
      if (std::ranges::find(once, fault) == once.end()) once.push_back(std::move(fault));
    return once;
  }

 private:
  static std::optional<struct stat> look(const Path& path) {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return std::nullopt;
    return st;
  }
  void add(const Path& path, const struct stat& st, std::string_view what, std::string_view mend) {
    faults_.push_back(fmt::format("{}: {} (mode {:04o}); chmod {} {}", path.native(), what,
                                  st.st_mode & 07777U, mend, path.native()));
  }

  std::vector<std::string> faults_;
};

}  // namespace

Result<config::Config> find_config(const std::string& given) {
  if (!given.empty()) return config::load(given);
  for (const char* name : {"POSTHORN_CONFIG", "POSTHORN_CONF"})
    if (const char* path = std::getenv(name); path != nullptr && *path != '\0')
      return config::load(path);
  const Path second = "/etc/posthorn/posthorn.toml";
  const auto is_there = [](const Path& path) {
    const auto info = find_file_info(path);
    return info && *info;
  };
  return config::load(!is_there(kDefaultConfig) && is_there(second) ? second
                                                                    : Path(kDefaultConfig));
}

std::vector<std::string> find_setting_faults(const config::Config& config) {
  Settings settings(config);
  if (const auto sockets = process::list_sockets(config); !sockets)
    settings.add(sockets.error().what);
  else
    expect_listeners(settings, config, *sockets);
  expect_names(settings, config);
  expect_folders(settings, config.store);
  expect_places(settings, config);
  settings.expect("limits", "exempt", net::Networks::parse(config.limits.exempt));
  const auto expect_tables = [&](std::string_view key, const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (!name.empty()) settings.expect("maps", key, maps::parse_table_name(name));
  };
  expect_tables("domains", config.maps.domains);
  expect_tables("mailboxes", config.maps.mailboxes);
  expect_tables("aliases", config.maps.aliases);
  expect_tables("senders", config.maps.senders);
  expect_tables("transport", config.maps.transport);
  expect_tables("sender_relays", config.maps.sender_relays);
  expect_tables("relay_sasl", {config.maps.relay_sasl});
  expect_tables("vusers", config.maps.vusers);
  settings.expect("smtp", "relay_from", check_relay_from(config.smtp.relay_from));
  settings.expect("web", "metrics_from", net::Networks::parse(config.web.metrics_from));
  if (!config.filter.spamd.empty())
    settings.expect("filter", "spamd", net::parse_address(config.filter.spamd));
  if (!config.relay.source_address.empty())
    settings.expect("relay", "source_address", net::check_literal(config.relay.source_address));
  settings.expect("store", "location", check_location(config));
  if (!config.srs.domain.empty() &&
      !message::is_domain(config.srs.domain, message::AddressCharset::ascii))
    settings.expect("srs", "domain",
                    Result<>(fail(ErrorKind::config,
                                  fmt::format("\"{}\" is no domain; write one as example.org",
                                              config.srs.domain))));
  for (const std::string& text : config.store.quota_rules)
    if (const auto rule = quota::parse_rule(text); !rule)
      settings.add(fmt::format("{}: store.quota_rules: {}",
                               config::place_of(config, "store", "quota_rules"), rule.error()));
  if (config.route.by_local_part && config.server.default_domain.empty())
    settings.add(fmt::format("{}: server.default_domain: route.by_local_part needs one",
                             config::place_of(config, "server", "default_domain")));
  if (maps::uses_pgsql(config) || !config.pgsql.conninfo.empty()) {
    Result<> conninfo;
    if (auto why = maps::find_conninfo_fault(config.pgsql))
      conninfo = fail(ErrorKind::config, *std::move(why));
    settings.expect("pgsql", "conninfo", conninfo);
  }
  for (const config::Finding& finding : config::faults_of(maps::PgsqlQueries::find_faults(config)))
    settings.add(finding.text());
  return settings.take();
}

std::vector<std::string> find_permission_faults(const config::Config& config) {
  Permissions permissions;
  for (const Path& path :
       {config.file, config.paths.users, config.paths.smtp_users, config.paths.maps,
        config.paths.sieve, config.paths.sieve / "users", config.paths.spool, config.paths.mail,
        config.paths.run, config.paths.state, config.paths.certificate, config.paths.key,
        config.tls.folder, config.tls.authority, config.tls.authority / "key.pem",
        config.dkim.folder})
    permissions.check_written_by_owner(path);
  const auto lists = config.maps.lists();
  for (const auto* names : lists)
    for (const std::string& name : *names)
      if (const auto table = maps::parse_table_name(name); table && table->is_file())
        permissions.check_written_by_owner(config.paths.maps / table->rest);
  if (const auto table = maps::parse_table_name(config.maps.relay_sasl); table && table->is_file())
    permissions.check_written_by_owner(config.paths.maps / table->rest);
  for (const Path& path :
       {config.file, config.paths.users, config.paths.maps, config.paths.sieve, config.paths.spool,
        config.paths.mail, config.paths.state, config.paths.key, config.dkim.folder})
    permissions.check_way(path);
  for (const Path& path :
       {config.paths.maps, config.paths.sieve, config.paths.spool, config.paths.mail,
        config.paths.run, config.paths.state, config.dkim.folder, config.tls.folder})
    permissions.check_folder(path);
  permissions.check_read_by_owner(config.tls.authority / "key.pem");
  permissions.check_read_by_owner(config.paths.key);
  const auto pairs = net::find_certificates(config.tls.folder);
  for (const auto& pair : pairs ? *pairs : std::vector<net::CertificateFiles>{}) {
    permissions.check_written_by_owner(pair.key);
    permissions.check_read_by_owner(pair.key);
  }
  if (!config.pgsql.password_file.empty()) {
    permissions.check_written_by_owner(config.pgsql.password_file);
    permissions.check_read_by_owner(config.pgsql.password_file);
  }
  permissions.check_written_by_owner(config.srs.secret_file);
  permissions.check_read_by_owner(config.srs.secret_file);
  permissions.check_owner(config.paths.spool, config.users.queue);
  return permissions.take();
}

}  // namespace posthorn::tools
