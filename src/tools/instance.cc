#include "tools/instance.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "maps/pgsql_connection.h"
#include "maps/table.h"
#include "message/mailbox_address.h"
#include "net/socket.h"
#include "process/folders.h"
#include "process/sandbox.h"
#include "setup/names.h"
#include "tools/certificate.h"
#include "tools/dkim.h"
#include "tools/script_work.h"
#include "tools/srs_secret.h"
#include "tools/templates.h"

namespace posthorn::tools {
namespace {

struct Port {
  int number;
  std::vector<std::string> config::Listen::* list;
};
constexpr Port kPorts[] = {
    {25, &config::Listen::smtp},        {465, &config::Listen::submissions},
    {587, &config::Listen::submission}, {143, &config::Listen::imap},
    {993, &config::Listen::imaps},      {110, &config::Listen::pop3},
    {995, &config::Listen::pop3s},      {80, &config::Listen::http},
    {443, &config::Listen::https},      {4190, &config::Listen::managesieve},
};

// What a developer's server sends back.
constexpr std::string_view kBadDomain =
    "bad-domain.com error:5.1.1 The domain bad-domain.com takes no mail, by the settings of this "
    "server\n";

constexpr std::string_view kAliasPatterns = "aliases.regexp";
constexpr std::string_view kSenderRelays = "sender-relays";

std::string join_address(std::string_view host, int port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

bool has_bare_names(const config::Config& config) {
  return config.route.by_local_part || config.route.bare_names ||
         config.auth.any_user != config::AnyUser::none ||
         config.store.location.find("{domain}") == std::string::npos;
}

}  // namespace

Result<config::Config> instance_config(const InitOptions& options) {
  const std::string name = options.profile + ".toml";
  TRY(config::Config config, config::read_keys(template_text(name), "profile " + name));
  config.server.hostname = options.hostname;
  // Of several domains none is meant by a bare name, where the profile does not live by bare names.
  if (options.domains.size() == 1 || has_bare_names(config))
    config.server.default_domain = options.domains.front();
  config.filter.spamd = options.spamd;
  config.relay.relayhost = options.relay.hop;
  config.acme.directory = options.acme.directory;
  config.acme.email = options.acme.email;
  config.acme.agree_terms = options.acme.are_terms_agreed;
  config.acme.authority = options.acme_authority;
  config.acme.eab_key_id = options.acme_eab_key_id;
  config.acme.eab_key_file = options.acme_eab_key_file;
  if (!options.mail.empty()) config.paths.mail = options.mail;
  if (!options.spool.empty()) config.paths.spool = options.spool;
  if (!options.state.empty()) config.paths.state = options.state;
  if (!options.run.empty()) config.paths.run = options.run;
  if (!options.webroot.empty()) config.web.webroot = options.webroot;
  if (!options.pgsql.empty()) {
    config.pgsql.conninfo = options.pgsql;
    const Path usual = options.folder / "conf/pgsql-password";
    const auto there = find_file_info(usual);
    if (!options.pgsql_password.empty())
      config.pgsql.password_file = std::filesystem::absolute(options.pgsql_password);
    else if (there && *there)
      config.pgsql.password_file = "conf/pgsql-password";
    for (auto* list : config.maps.lists()) *list = {"pgsql:"};
    config.maps.relay_sasl = "pgsql:";
    config.auth.users = config::UserSource::pgsql;
    if (auto why = maps::find_conninfo_fault(config.pgsql))
      return fail(ErrorKind::config, "--pgsql: " + *std::move(why));
  }
  if (!options.dms.sender_relays.empty())
    config.maps.sender_relays.insert(config.maps.sender_relays.begin(),
                                     "text:" + std::string(kSenderRelays));
  // Postfix' virtual_alias_maps of docker-mailserver: exact names, then patterns.
  if (!options.dms.alias_patterns.empty())
    config.maps.aliases.push_back("regexp:" + std::string(kAliasPatterns));
  bool has_own = false;
  for (const auto& [script, text] : options.dms.scripts) {
    if (script == "before.sieve") config.sieve.before = {script};
    if (script == "after.sieve") config.sieve.after = {script};
    has_own |= script.starts_with("users/");
  }
  // There a user's own script stands in no other's place, and spam is filed behind all of them.
  if (has_own) config.sieve.after.emplace_back("default.sieve");
  const int base = options.port_base < 0 ? 0 : options.port_base;
  for (const Port& port : kPorts) {
    auto& list = config.listen.*port.list;
    if (list.empty()) continue;  // off in this profile
    list.clear();
    if (!options.listen.empty()) {
      list.push_back(join_address(options.listen, base + port.number));
    } else {
      list = {join_address("0.0.0.0", base + port.number), join_address("::", base + port.number)};
    }
  }
  if (options.port_base >= 0) config.listen.lmtp = {join_address("127.0.0.1", base + 24)};
  return config;
}

namespace {

class Instance {
 public:
  explicit Instance(const InitOptions& options) : options_(options), root_(options.folder) {}

  Result<config::Config> make() {
    TRY_OK(check());
    TRY(const config::Config config, instance_config(options_));
    TRY_OK(write("conf/posthorn.toml", config::to_toml(config), 0644));
    const DmsFiles& from = options_.dms;
    TRY(const auto lookup_group, group_of(config.users.lookup));
    TRY_OK(
        write("conf/users", std::string(template_text("users")) + from.users, 0640, lookup_group));
    std::string domains(template_text("domains"));
    for (const std::string& domain : options_.domains) domains += domain + " .\n";
    TRY_OK(write("maps/domains", domains, 0644));
    for (const std::string_view table : {"mailboxes", "aliases", "senders"})
      TRY_OK(write("maps/" + std::string(table),
                   std::string(template_text(table)) + (table == "mailboxes" ? from.mailboxes
                                                        : table == "aliases" ? from.aliases
                                                                             : ""),
                   0644));
    std::string transport = std::string(template_text("transport"));
    if (config.queue.error_delay > 0s) transport += kBadDomain;
    TRY_OK(write("maps/transport", transport, 0644));
    if (!from.alias_patterns.empty())
      TRY_OK(write("maps/" + std::string(kAliasPatterns), from.alias_patterns, 0644));
    if (!from.sender_relays.empty())
      TRY_OK(write("maps/" + std::string(kSenderRelays), from.sender_relays, 0644));
    if (config.route.by_local_part)
      TRY_OK(write("maps/vusers", std::string(template_text("vusers")) + "@ vmail\n", 0644));
    if (!config.paths.smtp_users.empty())
      TRY_OK(
          write("conf/smtp_users", std::string(template_text("smtp_users")), 0640, lookup_group));
    TRY_OK(write("maps/relay-sasl", std::string(template_text("relay-sasl")) + from.relay_sasl,
                 0640, lookup_group));
    TRY_OK(write("sieve/default.sieve", std::string(template_text("default.sieve")), 0644));
    for (const auto& [name, text] : from.scripts) TRY_OK(write("sieve/" + name, text, 0644));
    TRY(const auto loaded, config::load(root_ / "conf/posthorn.toml"));
    TRY_OK(write_certificate(loaded));
    TRY(const bool made, make_srs_secret(loaded));
    fmt::print("{}     {}\n", made ? "made" : "kept", loaded.srs.secret_file.native());
    TRY_OK(process::prepare_folders(loaded));
    TRY_OK(write_dkim_keys(loaded));
    TRY_OK(tell_scripts_found(loaded, from.mailboxes));
    if (is_config_kept_) tell_unchanged(config, loaded);
    return loaded;
  }

  Result<> check() const {
    if (template_text(options_.profile + ".toml").empty())
      return fail(ErrorKind::config,
                  fmt::format("there is no profile \"{}\"; there are: default, dev, local, test",
                              options_.profile));
    if (options_.hostname.empty())
      return fail(ErrorKind::config, "name the server with --hostname");
    if (options_.domains.empty())
      return fail(ErrorKind::config, "name a mail domain with --domain");
    if (const auto fault = setup::find_name_fault(options_.hostname))
      return fail(ErrorKind::config,
                  fmt::format("--hostname: \"{}\" is no host name: {}", options_.hostname, *fault));
    for (const std::string& domain : options_.domains)
      if (const auto fault = setup::find_name_fault(domain))
        return fail(ErrorKind::config,
                    fmt::format("--domain: \"{}\" is no mail domain: {}", domain, *fault));
    if (options_.port_base > 65'535 - 4190)
      return fail(ErrorKind::config, "--port-base: the highest service would lie above port 65535");
    if (!options_.spamd.empty()) TRY_OK(net::parse_address(options_.spamd));
    if (!options_.listen.empty()) TRY_OK(net::parse_address(join_address(options_.listen, 25)));
    return check_accounts();
  }

 private:
  // Root finds the accounts that files are given to: said before the first question, not behind the
  // last.
  Result<> check_accounts() const {
    if (geteuid() != 0) return {};
    TRY(const config::Config config, instance_config(options_));
    for (const std::string& name :
         {config.users.edge, config.users.lookup, config.users.queue, config.users.store})
      TRY_OK(process::find_account(name));
    return {};
  }

  // A second init changes nothing: what it was asked for and is otherwise is said, with what does
  // it.
  void tell_unchanged(const config::Config& wanted, const config::Config& is) const {
    const auto tell = [&](std::string_view section, std::string_view key, std::string_view value,
                          std::string_view asked) {
      if (value != asked)
        fmt::print("not changed: {}: {}.{} is \"{}\", not \"{}\"; edit it there\n",
                   config::place_of(is, std::string(section), std::string(key)), section, key,
                   value, asked);
    };
    tell("server", "hostname", is.server.hostname, wanted.server.hostname);
    tell("server", "profile", is.server.profile, wanted.server.profile);
    if (!options_.spamd.empty()) tell("filter", "spamd", is.filter.spamd, wanted.filter.spamd);
    if (!options_.pgsql.empty())
      tell("pgsql", "conninfo", is.pgsql.conninfo, wanted.pgsql.conninfo);
    if (!options_.mail.empty())
      tell("paths", "mail", is.paths.mail.native(),
           std::filesystem::absolute(options_.mail).native());
    if (!options_.spool.empty())
      tell("paths", "spool", is.paths.spool.native(),
           std::filesystem::absolute(options_.spool).native());
    if (!options_.run.empty())
      tell("paths", "run", is.paths.run.native(), std::filesystem::absolute(options_.run).native());
    if (!options_.listen.empty() || options_.port_base >= 0)
      tell("listen", "smtp", fmt::format("{}", fmt::join(is.listen.smtp, ", ")),
           fmt::format("{}", fmt::join(wanted.listen.smtp, ", ")));
    const auto domains = read_file(root_ / "maps/domains");
    const auto known =
        maps::parse_text(domains && *domains ? **domains : "", "maps/domains").entries;
    for (const std::string& domain : options_.domains)
      if (std::ranges::find(known, message::to_lower(domain), &maps::Entry::key) == known.end())
        fmt::print("not changed: {} lacks {}; `posthorn domain add {}` adds it\n",
                   (root_ / "maps/domains").native(), domain, domain);
  }

  // nullopt: who is not root makes files of his own.
  static Result<std::optional<unsigned>> group_of(const std::string& account) {
    if (geteuid() != 0) return std::nullopt;
    TRY(const process::Account found, process::find_account(account));
    return found.gid;
  }

  // A file that is there stays as it is, and that is said: init run twice changes nothing.
  Result<> write(const std::string& name, const std::string& text, mode_t mode,
                 std::optional<unsigned> group = {}) {
    const Path path = root_ / name;
    TRY_OK(make_folders(Disk::real(), path.parent_path(), 0755));
    TRY(const auto there, find_file_info(path));
    if (there) {
      fmt::print("kept     {}\n", path.native());
      if (name == "conf/posthorn.toml") is_config_kept_ = true;
      return {};
    }
    TRY_OK(replace_file(Disk::real(), path, text, mode));
    if (group && ::chown(path.c_str(), 0, *group) != 0)
      return fail_errno("chown", path.native(), errno);
    fmt::print("made     {}\n", path.native());
    return {};
  }

  Result<> write_dkim_keys(const config::Config& config) const {
    for (const auto& [domain, selector, pem] : options_.dms.dkim_keys) {
      const Path file = config.dkim.folder / domain / (selector + ".pem");
      TRY(const auto there, find_file_info(file));
      if (!there) TRY_OK(write_dkim_key(config, domain, selector, pem));
      fmt::print("{}     {}\n", there ? "kept" : "made", file.native());
    }
    return {};
  }

  // Below the folder, whatever the environment says of the files that are served.
  Result<> write_certificate(config::Config config) const {
    config.server.hostname = options_.hostname;
    config.paths.certificate = root_ / "tls/cert.pem";
    config.paths.key = root_ / "tls/key.pem";
    config.tls.authority = root_ / "authority";
    TRY(const bool made, make_own_certificate(config));
    if (made)
      for (const Path& path : {config.tls.authority / "cert.pem", config.tls.authority / "key.pem",
                               config.paths.key, config.paths.certificate})
        fmt::print("made     {}\n", path.native());
    else
      fmt::print("kept     {}\n", config.paths.certificate.parent_path().native());
    return {};
  }

  const InitOptions& options_;
  Path root_;
  bool is_config_kept_ = false;
};

}  // namespace

Result<> check_place(const Path& folder) {
  Path place = folder;
  std::error_code ignored;
  while (place.has_relative_path() && !std::filesystem::exists(place, ignored))
    place = place.parent_path();
  const int error = !std::filesystem::is_directory(place, ignored) ? ENOTDIR
                    : ::access(place.c_str(), W_OK | X_OK) != 0    ? errno
                                                                   : 0;
  if (error == 0) return {};
  return fail(ErrorKind::config,
              fmt::format("nothing can be made in {}: {}; run it as who may, or name a folder of "
                          "yours: posthorn init FOLDER",
                          place.native(), std::generic_category().message(error)));
}

Result<> check_init(const InitOptions& options) {
  return Instance(options).check();
}

Result<config::Config> make_instance(const InitOptions& options) {
  return Instance(options).make();
}

}  // namespace posthorn::tools
