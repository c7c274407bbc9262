#include "app/settings.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/migrations.h"
#include "app/sandbox.h"
#include "app/sockets.h"
#include "auth/service.h"
#include "base/quota.h"
#include "maps/table.h"
#include "message/mailbox_address.h"
#include "net/socket.h"
#include "net/tls.h"
#include "store/mailbox_name.h"

namespace posthorn::app {
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
    return store::account_path(config.paths.mail, config.store.location, account);
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
  TRY(const auto networks, auth::Networks::parse(texts));
  std::size_t far_apart = 0;
  for (const char* address : {"1.1.1.1", "9.9.9.9", "64.233.1.1", "130.89.1.1", "193.0.0.1",
                              "212.27.1.1", "2001:4860::1", "2400:cb00::1", "2a00:1450::1"})
    far_apart += networks.contains(address) ? 1 : 0;
  if (far_apart < 2 && networks.warnings().empty()) return {};
  return fail(ErrorKind::config,
              "it takes in most of the Internet: everybody could send to anybody through this "
              "server; name the networks that are yours");
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
  void check_owner(const Path& path, const std::string& account) {
    const auto st = look(path);
    if (!st || st->st_uid == 0 || st->st_uid == geteuid()) return;
    if (const auto known = find_account(account); known && known->uid == st->st_uid) return;
    faults_.push_back(fmt::format("{}: belongs to account number {}, not to {}", path.native(),
                                  st->st_uid, account));
  }
  std::vector<std::string> take() { return std::move(faults_); }

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
  if (const auto sockets = list_sockets(config); !sockets) settings.add(sockets.error().what);
  settings.expect("limits", "exempt", auth::Networks::parse(config.limits.exempt));
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
  settings.expect("web", "metrics_from", auth::Networks::parse(config.web.metrics_from));
  if (!config.filter.spamd.empty())
    settings.expect("filter", "spamd", net::parse_address(config.filter.spamd));
  if (!config.relay.source_address.empty())
    settings.expect("relay", "source_address", net::check_literal(config.relay.source_address));
  settings.expect("store", "location", check_location(config));
  if (!config.srs.domain.empty() &&
      !message::is_domain(config.srs.domain, message::AddressCharset::ascii))
    settings.expect(
        "srs", "domain",
        Result<>(fail(ErrorKind::config, fmt::format("\"{}\" is no domain", config.srs.domain))));
  for (const std::string& text : config.store.quota_rules)
    if (const auto rule = quota::parse_rule(text); !rule)
      settings.add(fmt::format("{}: store.quota_rules: {}",
                               config::place_of(config, "store", "quota_rules"), rule.error()));
  if (config.route.by_local_part && config.server.default_domain.empty())
    settings.add(fmt::format("{}: server.default_domain: route.by_local_part needs one",
                             config::place_of(config, "server", "default_domain")));
  if (uses_pgsql(config) || !config.pgsql.conninfo.empty()) {
    Result<> conninfo;
    if (auto why = maps::find_conninfo_fault(config.pgsql))
      conninfo = fail(ErrorKind::config, *std::move(why));
    settings.expect("pgsql", "conninfo", conninfo);
  }
  return settings.take();
}

std::vector<std::string> find_permission_faults(const config::Config& config) {
  Permissions permissions;
  for (const Path& path :
       {config.file, config.paths.users, config.paths.smtp_users, config.paths.maps,
        config.paths.sieve, config.paths.spool, config.paths.mail, config.paths.run,
        config.paths.key, config.dkim.folder})
    permissions.check_written_by_owner(path);
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

}  // namespace posthorn::app
