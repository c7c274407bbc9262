#include "tools/prepare.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/logins.h"
#include "auth/password.h"
#include "auth/row_watch.h"
#include "auth/service.h"
#include "base/ascii.h"
#include "config/next_hop.h"
#include "deliver/dkim_key.h"
#include "filter/filter.h"
#include "filter/report.h"
#include "filter/teacher.h"
#include "lda/site_scripts.h"
#include "maps/migrations.h"
#include "maps/pgsql_queries.h"
#include "maps/pgsql_rows.h"
#include "maps/table_set.h"
#include "message/idna.h"
#include "message/mailbox_address.h"
#include "net/own_loop.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "process/challenge_ways.h"
#include "process/eyes.h"
#include "process/instance.h"
#include "process/sandbox.h"
#include "route/local_directory.h"
#include "route/rewriter.h"
#include "tools/dkim.h"
#include "tools/doubts.h"
#include "tools/settings.h"
#include "tools/table_store.h"
#include "tools/variables.h"

namespace posthorn::tools {
namespace {

void add(config::Findings& all, config::Findings some) {
  std::ranges::move(some, std::back_inserter(all));
}
void add(config::Findings& all, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) all.push_back(config::finding_of(text));
}
void warn(config::Findings& all, std::string where, std::string reason, std::string remedy = "") {
  all.push_back({std::move(where), std::move(reason), std::move(remedy), config::Weight::warning});
}

// The entries of text tables; nullopt: some are not text, so that nothing is known of the whole.
std::optional<std::vector<maps::Entry>> entries_of(const config::Config& config,
                                                   const std::vector<std::string>& names) {
  std::vector<maps::Entry> entries;
  for (const std::string& name : names) {
    const auto parsed = maps::parse_table_name(name);
    if (!parsed || parsed->type != "text") return std::nullopt;
    const auto text = read_file(config.paths.maps / parsed->rest, 256U << 20U);
    if (!text || !*text) return std::nullopt;
    auto file = maps::parse_text(**text, (config.paths.maps / parsed->rest).native());
    std::ranges::move(file.entries, std::back_inserter(entries));
  }
  return entries;
}

config::Findings look_at_users(const config::Config& config, const Path& path,
                               std::optional<auth::UserFile>& read) {
  config::Findings findings;
  const auto text = read_file(path);
  if (!text || !*text) {
    findings.push_back(
        {path.native() + ":1", text ? "there is no such file" : text.error().what,
         text ? fmt::format("put it back; if nobody shall log in yet: touch {}", path.native())
              : ""});
    return findings;
  }
  const auto before = LastGood(config.paths.state / "lookup").read(path);
  if ((*text)->empty() && before && !before->empty())
    findings.push_back({path.native() + ":1", "the file has process::become empty",
                        "a comment in it makes that meant"});
  const auth::UserFile& file = read.emplace(auth::parse_users(**text, path.native()));
  add(findings, file.faults);
  for (const std::string& warning : file.warnings)
    findings.push_back(config::finding_of(warning, config::Weight::warning));
  for (const std::string& note : file.notes)
    findings.push_back(config::finding_of(note, config::Weight::note));
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & S_IROTH) != 0)
    warn(findings, path.native(), "every account of this machine can read the password hashes",
         fmt::format("chmod o-r {}", path.native()));
  return findings;
}

// The relay's login is looked for by host and port; one that nearly fits is not used.
void look_at_relay(config::Findings& findings, const config::Config& config) {
  const std::string& relay = config.relay.relayhost;
  if (relay.empty()) return;
  const std::string place = config::place_of(config, "relay", "relayhost");
  const auto hop = config::parse_next_hop(relay);
  if (!hop || relay.find_first_of(" \t/") != std::string::npos)
    return findings.push_back({place, fmt::format("relay.relayhost: \"{}\" is no host", relay),
                               "write \"[smtp.example.org]:587\""});
  const auto logins = entries_of(config, {config.maps.relay_sasl});
  if (!logins) return;
  const std::string host = to_lower(hop->host);
  const std::string file = (config.paths.maps / "relay-sasl").native();
  const maps::Entry* near = nullptr;
  for (const maps::Entry& entry : *logins) {
    if (entry.key.find('@') != std::string::npos) continue;
    const auto other = config::parse_next_hop(entry.key);
    if (!other || to_lower(other->host) != host) continue;
    if (other->port == hop->port || entry.key == host || entry.key == "[" + host + "]") return;
    near = &entry;
  }
  if (near != nullptr)
    warn(findings, fmt::format("{}:{}", file, near->line),
         fmt::format("the login of {} is not used: relay.relayhost is {}", near->key, relay),
         fmt::format("write {} in both", relay));
  else if (logins->empty())
    warn(findings, place,
         fmt::format("relay.relayhost: {} has no login in {}: most relays refuse mail without one",
                     relay, file),
         "add the line: " + relay + " user:password; a relay that needs none is fine as it is");
  else
    warn(findings, place,
         fmt::format("relay.relayhost: {} has no login of its own in {}", relay, file),
         "add the line: " + relay + " user:password");
}

void look_at_srs(config::Findings& findings, const config::Config& config) {
  if (config.srs.domain.empty()) return;
  const auto there = find_file_info(config.srs.secret_file);
  if (!there || *there)  // made at the start where it is not there
    if (const auto read = route::read_srs_secrets(config.srs.secret_file); !read)
      findings.push_back(config::finding_of(read.error().what));
  const auto domains = entries_of(config, config.maps.domains);
  if (!domains) return;
  const std::string domain = to_lower(config.srs.domain);
  const bool is_ours = std::ranges::find(*domains, domain, &maps::Entry::key) != domains->end();
  if (message::is_domain(domain) && !is_ours && domain != to_lower(config.server.hostname))
    warn(findings, config::place_of(config, "srs", "domain"),
         fmt::format("srs.domain: {} is not in maps/domains: see that its MX is this server, or "
                     "bounces to rewritten senders go elsewhere",
                     config.srs.domain));
}

// The administrator's own, each asked once. That no database is there is told by who opens it.
void look_at_queries(config::Findings& findings, const config::Config& config,
                     const maps::PgsqlQueries& queries) {
  config::Findings faults = maps::PgsqlQueries::find_faults(config);
  const bool can_be_asked = !config::has_fault(faults);
  // Faults were told among those of the settings.
  std::erase_if(faults, [](const config::Finding& finding) {
    return finding.weight == config::Weight::fault;
  });
  add(findings, std::move(faults));
  if (!can_be_asked || !queries.has_own()) return;
  if (const auto troubles = queries.look(config.pgsql))
    for (const maps::PgsqlQueries::Trouble& trouble : *troubles)
      findings.push_back(trouble.finding);
}

config::Findings look_as_lookup(const config::Config& config) {
  const LastGood kept(config.paths.state / "lookup");  // what has become empty was not always so
  maps::LoadParts parts{.kept = &kept};
  // Where it cannot be asked, the tool tells so itself.
  Result<std::unique_ptr<maps::PgsqlConnection>> database = nullptr;
  const maps::PgsqlQueries queries(config);
  config::Findings findings;
  if (maps::uses_pgsql(config)) {
    database = open_for_tool(config, Schema::checked, queries.session());
    look_at_queries(findings, config, queries);
  }
  // A list that is wrong was told of; it is not read, or each table would tell so anew.
  if (database && *database && !config::has_fault(findings))
    parts.rows = [&](maps::Question question) {
      return maps::read_rows(**database, queries, question);
    };
  maps::Loaded tables = maps::load_tables(config, parts);
  add(findings, std::move(tables.faults));
  for (config::Finding& finding : tables.warnings) {
    if (finding.weight == config::Weight::fault) finding.weight = config::Weight::warning;
    findings.push_back(std::move(finding));
  }
  std::optional<auth::UserFile> users, smtp_users;
  if (config.auth.users == config::UserSource::text)
    add(findings, look_at_users(config, config.paths.users, users));
  if (config.auth.users == config::UserSource::pgsql && parts.rows)
    add(findings, auth::look_at_user_rows(**database, queries));
  if (!config.paths.smtp_users.empty())
    add(findings, look_at_users(config, config.paths.smtp_users, smtp_users));
  if (tables.set)
    add(findings,
        auth::compare_logins(config, *tables.set,
                             {users ? &*users : nullptr, smtp_users ? &*smtp_users : nullptr}));
  look_at_relay(findings, config);
  look_at_srs(findings, config);
  return findings;
}

config::Findings look_as_queue(const config::Config& config) {
  config::Findings findings;
  add(findings, deliver::find_dkim_faults(config.dkim.folder));
  add(findings, deliver::find_dkim_doubts(config.dkim.folder));
  const auto fault = [&](std::string_view key, const Error& error, std::string remedy) {
    findings.push_back({fmt::format("{}: relay.{}", config::place_of(config, "relay", key), key),
                        error.what, std::move(remedy)});
  };
  if (const Path& file = config.relay.trust_file; !file.empty())
    if (const auto anchor = net::read_trust_anchor(file); !anchor)
      fault("trust_file", anchor.error(), "name a PEM file of authorities, or empty the key");
  net::OwnLoop loop;
  if (const auto made =
          net::Resolver::make(loop.scope().executor(), {.servers = config.relay.resolver});
      !made)
    fault("resolver", made.error(), "write addresses, as \"9.9.9.9:53, 127.0.0.1:53\"");
  for (const std::string& hop : config.relay.fallback)
    if (!config::parse_next_hop(hop) || hop.find_first_of(" \t/") != std::string::npos)
      fault("fallback", Error{ErrorKind::config, fmt::format("\"{}\" is no host", hop)},
            "write [\"[spare.example.org]:587\"]");
  return findings;
}

// Each is run for the mailbox it is called after.
void look_at_user_scripts(config::Findings& findings, const config::Config& config,
                          const std::vector<std::string>& mailboxes) {
  if (!entries_of(config, config.maps.mailboxes) || config.route.any_mailbox ||
      config.route.by_local_part || config.route.any_domain != config::AnyDomain::none)
    return;
  constexpr std::string_view kSuffix = ".sieve";
  constexpr std::size_t kLookedMax = 10'000, kToldMax = 20;
  const std::set<std::string> names(mailboxes.begin(), mailboxes.end());
  const Path folder = config.paths.sieve / "users";
  std::size_t looked = 0, told = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end;
       !error && at != end && ++looked < kLookedMax && told < kToldMax; at.increment(error)) {
    const std::string name = to_lower(at->path().filename().native());
    const bool has_suffix = name.ends_with(kSuffix);
    const std::string account = has_suffix ? name.substr(0, name.size() - kSuffix.size()) : name;
    if (names.contains(account) == has_suffix) continue;  // its own; an editor's, or a README
    ++told;
    if (has_suffix)
      warn(findings, at->path().native(),
           fmt::format("run for nobody: there is no mailbox {}", account),
           "call it as the mailbox, NAME@DOMAIN.sieve, or remove it");
    else
      warn(findings, at->path().native(), "not run: its name lacks the end .sieve",
           fmt::format("mv {0} {0}.sieve", at->path().native()));
  }
  for (const std::string& name : mailboxes) {
    if (told >= kToldMax || ++looked > kLookedMax) return;
    const Path flat = config.paths.sieve / (name + std::string(kSuffix));
    if (name.find('/') != std::string::npos || !std::filesystem::exists(flat, error)) continue;
    ++told;
    warn(findings, flat.native(), "not run: scripts of single mailboxes lie in users/",
         fmt::format("mv {} {}", flat.native(), folder.native()));
  }
}

// A mail of words that any database has: with none of its words there spamd would not say that it
// has one.
constexpr std::string_view kCommonMail =
    "From: postmaster@example.org\r\nTo: postmaster@example.org\r\nSubject: Your account\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    "Hello, thank you for your message. Please click here to see your account, your order and the "
    "invoice.\r\nThis offer is free, with our best regards. Meeting on Monday, see the "
    "attachment.\r\n";

// Does spamd let itself be taught, and has it been? Neither question teaches it anything.
void look_at_lessons(config::Findings& findings, const config::Config& config,
                     const net::Address& address) {
  if (config.filter.learn == config::Learn::off) return;
  constexpr auto kPatience = 5s;
  config::Filter settings = config.filter;
  settings.timeout = std::min<config::Duration>(settings.timeout, kPatience);
  const std::string where = config::place_of(config, "filter", "learn");
  net::OwnLoop loop;
  filter::Teacher teacher(loop.scope(), settings, address);
  const auto may = loop.run(teacher.may_teach());
  filter::Spamd spamd(loop.scope(), settings.timeout, address);
  const auto rules = loop.run(ask_symbols(spamd, settings.user, kCommonMail));
  teacher.stop();
  spamd.stop();
  loop.run();
  if (may && !*may)
    warn(
        findings, where,
        fmt::format("filter.learn: spamd at {} was started without --allow-tell and learns nothing",
                    settings.spamd),
        "add it to spamd's options (Debian: /etc/default/spamd), and restart it");
  if (rules && std::ranges::none_of(
                   *rules, [](const std::string& rule) { return rule.starts_with("BAYES_"); }))
    findings.push_back(
        {where,
         fmt::format("filter.learn: spamd at {} judges by no Bayes database: there is none yet, it "
                     "has learned too little, or use_bayes is 0",
                     settings.spamd),
         "200 mails of spam and 200 of ham are what it begins with (bayes_min_spam_num, "
         "bayes_min_ham_num)",
         config::Weight::note});
}

void look_at_spamd(config::Findings& findings, const config::Config& config) {
  if (config.filter.spamd.empty()) return;
  const auto address = net::parse_address(config.filter.spamd);
  if (!address) return;  // a fault of the settings
  net::OwnLoop loop;
  const auto stream =
      loop.run(net::connect(loop.scope().executor(), *address, Clock::system().steady_now() + 3s));
  if (stream) return look_at_lessons(findings, config, *address);
  warn(findings, config::place_of(config, "filter", "spamd"),
       fmt::format(
           "filter.spamd: nobody answers at {} ({}): {}", config.filter.spamd, stream.error().what,
           config.filter.when_down == config::WhenDown::wait ? "mail waits"
                                                             : "mail is delivered unscanned"),
       "start spamd, or empty the key");
}

// Names in the configuration that this machine does not know.
void look_at_programs(config::Findings& findings, const config::Config& config) {
  for (const std::string& name : config.submission.programs_relay)
    if (!process::find_account(name))
      warn(findings, config::place_of(config, "submission", "programs_relay"),
           fmt::format("submission.programs_relay: this machine has no account {}", name),
           "take it out, or make the account");
  const std::string& domain = config.server.default_domain;
  const auto domains = entries_of(config, config.maps.domains);
  if (domain.empty() || !domains || config.route.any_domain != config::AnyDomain::none) return;
  const std::string name = message::ascii_domain(domain).value_or(domain);
  if (std::ranges::find(*domains, to_lower(name), &maps::Entry::key) == domains->end())
    warn(findings, config::place_of(config, "server", "default_domain"),
         fmt::format("server.default_domain: {} is not in maps/domains: nobody can log in with a "
                     "bare name",
                     domain),
         fmt::format("`posthorn domain add {}`, or name one of them", domain));
}

// Another program's port; the running server's own are not looked at.
void look_at_ports(config::Findings& findings, const config::Config& config) {
  const auto running = process::find_instance(config);
  const auto specs = process::list_sockets(config);
  if (!running || *running || !specs) return;
  std::set<std::string> told;
  for (const process::SocketSpec& spec : *specs) {
    if (!std::holds_alternative<net::TcpAddress>(spec.address)) continue;
    const auto bound = net::bind_socket(spec.address);
    if (!bound && bound.error().what.find("assign") != std::string::npos)
      warn(findings, config::place_of(config, "listen", spec.name),
           fmt::format("listen.{}: this machine does not have the address {}: a start fails",
                       spec.name, net::to_string(spec.address)),
           "`ip address` shows what it has; 0.0.0.0 and [::] are all of them");
    if (bound || bound.error().what.find("in use") == std::string::npos) continue;
    if (told.insert(net::to_string(spec.address)).second)
      warn(findings, config::place_of(config, "listen", spec.name),
           fmt::format("listen.{}: {} is taken by another program", spec.name,
                       net::to_string(spec.address)),
           "end that one, or name another address or port");
  }
}

// As edge; but what only root can reach, and nobody else could have led him to, the supervisor
// hands to it when it is root.
config::Findings look_at_certificates(const config::Config& config) {
  const auto look = [&] {
    const auto server = net::TlsServer::make({{config.paths.certificate, config.paths.key}},
                                             config.tls.folder, config.server.hostname);
    server->warn_ahead(config.tls.expiry_warning);
    return server->prepare().findings;
  };
  if (geteuid() != 0) return process::look_as(config, process::RoleKind::edge, look);
  const std::vector<Path> files = {config.paths.certificate, config.paths.key};
  const std::string commands =
      process::how_to_open(files, config.users.edge, process::group_of_keys(config));
  if (commands.empty() || std::ranges::any_of(files, [](const Path& file) {
        return process::find_stranger_on_the_way(file).has_value();
      }))
    return process::look_as(config, process::RoleKind::edge, look);
  config::Findings findings = look();
  findings.push_back({config.paths.key.native() + ":1",
                      "only root can reach the certificate: a server that root starts hands it to "
                      "the roles that serve TLS",
                      "one that systemd starts as another account (User=) needs: " + commands,
                      config::Weight::note});
  return findings;
}

}  // namespace

config::Findings prepare_instance(const config::Config& config) {
  config::Findings findings;
  add(findings, find_setting_faults(config));
  add(findings, find_permission_faults(config));
  add(findings, find_setting_doubts(config));
  add(findings, find_place_doubts(config));
  add(findings,
      process::look_as(config, process::RoleKind::lookup, [&] { return look_as_lookup(config); }));
  add(findings, look_at_certificates(config));
  add(findings,
      process::look_as(config, process::RoleKind::queue, [&] { return look_as_queue(config); }));
  add(findings, find_closed_dkim_keys(config));
  std::vector<std::string> mailboxes;
  if (const auto listed = entries_of(config, config.maps.mailboxes))
    for (const maps::Entry& entry : *listed) mailboxes.push_back(entry.key);
  add(findings, process::look_as(config, process::RoleKind::store, [&] {
        config::Findings some = lda::SiteScripts::check(config);
        add(some, find_mailbox_doubts(config, mailboxes));
        return some;
      }));
  look_at_user_scripts(findings, config, mailboxes);
  add(findings, find_variable_faults(config, config::environment()));
  if (const Path& file = config.web.authority; !file.empty())
    add(findings, process::look_as(config, process::RoleKind::web, [&] {
          config::Findings some;
          if (const auto anchor = net::read_trust_anchor(file); !anchor)
            some.push_back({config::place_of(config, "web", "authority") + ": web.authority",
                            anchor.error().what,
                            "name a certificate in PEM form, or empty the key"});
          return some;
        }));
  look_at_programs(findings, config);
  look_at_spamd(findings, config);
  look_at_ports(findings, config);
  add(findings, process::find_challenge_doubts(config, process::find_port_holder));
  return findings;
}

}  // namespace posthorn::tools
