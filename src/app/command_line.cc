#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <tuple>

#include "app/certificate_commands.h"
#include "app/command_rights.h"
#include "app/command_tree.h"
#include "app/command_words.h"
#include "app/dns_commands.h"
#include "app/explain_commands.h"
#include "app/init_command.h"
#include "app/instance_config.h"
#include "app/queue_commands.h"
#include "app/serve.h"
#include "app/sieve_commands.h"
#include "app/trace_commands.h"
#include "app/vacation_commands.h"
#include "base/events.h"
#include "base/metrics.h"
#include "config/config_keys.h"
#include "process/roles.h"
#include "tools/address.h"
#include "tools/ban.h"
#include "tools/check.h"
#include "tools/completion.h"
#include "tools/confined.h"
#include "tools/control.h"
#include "tools/dkim.h"
#include "tools/import_config.h"
#include "tools/init.h"
#include "tools/manual.h"
#include "tools/postmap.h"
#include "tools/queue.h"
#include "tools/quota.h"
#include "tools/sendmail.h"
#include "tools/settings.h"
#include "tools/spam.h"
#include "tools/status.h"
#include "tools/tables.h"
#include "tools/transfer.h"
#include "tools/user.h"

namespace posthorn::app {
namespace {

class CommandLine {
 public:
  CommandLine()
      : app_("Posthorn: a mail server for virtual domains. One program, all of it.", "posthorn") {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "posthorn " POSTHORN_VERSION);
    app_.set_help_all_flag("--help-all", "Help on every command");
    add_init_command(app_, init_, config_, status_);
    add_serve();
    add_control();
    add_user();
    add_bans();
    add_quota();
    add_sieve_commands(app_, sieve_, status_,
                       [this](auto&&... words) { return command(words...); });
    add_vacation_commands(app_, vacation_, [this](auto&&... words) { return command(words...); });
    add_explain_commands(app_, explain_, explain_login_,
                         [this](auto&&... words) { return command(words...); });
    add_addresses();
    add_dkim();
    add_dns_command(app_, dns_, [this](auto&&... words) { return command(words...); });
    add_certificate_commands(app_, certificate_,
                             [this](auto&&... words) { return command(words...); });
    add_tables();
    add_postmap();
    add_queue_commands(app_, queue_, [this](auto&&... words) { return command(words...); });
    add_relay_commands(app_, relay_, [this](auto&&... words) { return command(words...); });
    add_spam();
    add_trace_command(app_, trace_, [this](auto&&... words) { return command(words...); });
    add_tap_command(app_, tap_, [this](auto&&... words) { return command(words...); });
    add_transfer();
    add_print();
    add_manual();
    add_confined();
    add_help();
    app_.footer(exit_code_text());
  }

  int run(int argc, char** argv) {
    try {  // CLI11 reports bad arguments by exceptions.
      app_.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
      return app_.exit(asked);
    } catch (const CLI::ParseError& error) {
      return complain(app_, error);
    }
    return status_;
  }

 private:
  void add_help() {
    CLI::App* sub = app_.add_subcommand("help", "Help on all commands, or on one");
    sub->add_option("command", help_, "user, or user add");
    sub->callback([this] { status_ = print_help(app_, help_); });
    app_.add_subcommand("version", "This program's version")->callback([this] {
      fmt::print("posthorn " POSTHORN_VERSION "\n");
      status_ = 0;
    });
  }

  // A command with -c; what it does runs with the loaded configuration.
  template <class F>
  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& about, F action) {
    CLI::App* sub = parent.add_subcommand(name, about);
    sub->add_option("-c,--config", config_,
                    "posthorn.toml (default: POSTHORN_CONFIG, then " +
                        std::string(tools::kDefaultConfig) + ")");
    const std::string words = &parent == &app_ ? name : parent.get_name() + " " + name;
    sub->callback([this, action, whom = for_whom(words)] {
      status_ = with_config(config_, [&](const config::Config& config) {
        return is_closed_to_us(config, whom) ? 1 : action(config);
      });
    });
    return sub;
  }

  void add_serve() {
    CLI::App* sub = command(app_, "serve", "Run the server",
                            [this](const config::Config& config) { return serve(config, serve_); });
    sub->add_flag("--one-process", serve_.one_process,
                  "All roles in this process: for development");
    sub->add_option("--role", serve_.role,
                    "Only this role, with inherited sockets; the supervisor uses it")
        ->group("");
    sub->add_option("--worker", serve_.worker, "Which worker of the role")->group("");
  }

  void add_control() {
    command(app_, "stop", "Stop the server; what has begun is finished", tools::stop_server);
    command(app_, "reload",
            "Read tables, users and certificates now; tells what is wrong with them",
            tools::reload_server);
    command(app_, "restart",
            "End it as stop does and begin anew, for edited keys of posthorn.toml; refused with a "
            "fault in it",
            tools::restart_server);
    add_status();
    command(app_, "check", "Check the configuration and every table; exit status 1 on a fault",
            tools::check_instance);
  }

  void add_status() {
    CLI::App* sub = command(app_, "status",
                            "Is all well? What is wrong and what to do about it, what runs, the "
                            "queue, certificates; exit status 1 if anything is red",
                            [this](const config::Config& config) {
                              return tools::print_status(config, status_options_);
                            });
    sub->add_flag("--json", status_options_.json, "As JSON");
    sub->add_flag("--dns", status_options_.dns,
                  "Ask the DNS anew before; it may take half a minute");
    sub->add_option("--watch", status_options_.watch,
                    "Again and again, that many seconds apart, until Ctrl-C (2 seconds if no "
                    "number is given)")
        ->expected(0, 1)
        ->default_str("2")
        ->check(CLI::Range(0.2, 86400.0))
        ->type_name("SECONDS");
  }

  void add_user() {
    CLI::App* user = app_.add_subcommand("user", "Accounts: logins and mailboxes in step");
    user->require_subcommand(1);
    const auto add = [&](const std::string& name, const std::string& about,
                         tools::UserAction action, bool has_password) {
      CLI::App* sub = command(*user, name, about, [this, action](const config::Config& config) {
        user_.action = action;
        return tools::run_user_tool(config, user_);
      });
      if (action != tools::UserAction::list)
        sub->add_option("address", user_.address, "alice@example.org")->required();
      if (action == tools::UserAction::remove)
        sub->add_flag("--with-references", user_.with_references,
                      "Out of aliases and senders that name it, too");
      if (!has_password) return;
      sub->add_flag("--password-stdin", user_.password_stdin,
                    "Read the password from standard input");
      sub->add_option("--scheme", user_.scheme,
                      "SHA512-CRYPT, ARGON2ID … (default: auth.default_scheme)");
    };
    add("add", "A new account", tools::UserAction::add, true);
    add("passwd", "A new password", tools::UserAction::passwd, true);
    add("remove", "No account any more; its mail stays where it is", tools::UserAction::remove,
        false);
    add("list", "All accounts", tools::UserAction::list, false);
  }

  void add_bans() {
    CLI::App* ban = app_.add_subcommand("ban", "Addresses that may not log in");
    ban->require_subcommand(1);
    const auto add = [&](const std::string& name, const std::string& about,
                         tools::BanAction action) {
      CLI::App* sub = command(*ban, name, about, [this, action](const config::Config& config) {
        ban_.action = action;
        return tools::run_ban_tool(config, ban_);
      });
      if (action != tools::BanAction::list)
        sub->add_option("address", ban_.address, "192.0.2.1, 2001:db8::1 (which means its /64)")
            ->required();
      return sub;
    };
    add("list", "Who is banned, for how long, and why", tools::BanAction::list);
    add("add", "No login from this address", tools::BanAction::add)
        ->add_option("--for", ban_.time, "30s, 10m, 2h, 7d (default: auth.ban)");
    add("remove", "Free it, and forget the failures of its network", tools::BanAction::remove);
  }

  void add_quota() {
    CLI::App* quota = app_.add_subcommand("quota", "How much an account may hold, and holds");
    quota->require_subcommand(1);
    CLI::App* sub =
        command(*quota, "set", "The limit of one account; it counts at once",
                [this](const config::Config& config) { return tools::set_quota(config, quota_); });
    sub->add_option("address", quota_.address, "alice@example.org")->required();
    sub->add_option("limit", quota_.limit, "500M, 1G, none, or default: as store.quota says")
        ->required();
    sub->add_option("--messages", quota_.messages, "How many messages; 0: no limit");
    sub = command(
        *quota, "list", "What every account, or one, holds of its limit",
        [this](const config::Config& config) { return tools::list_quotas(config, quota_); });
    sub->add_option("address", quota_.address, "alice@example.org");
  }

  void add_addresses() {
    CLI::App* alias = app_.add_subcommand("alias", "Where mail for other names goes");
    alias->require_subcommand(1);
    CLI::App* domain = app_.add_subcommand("domain", "The domains that are ours");
    domain->require_subcommand(1);
    const auto add = [&](CLI::App* parent, const std::string& name, const std::string& about,
                         tools::AddressAction action) {
      return command(*parent, name, about, [this, action](const config::Config& config) {
        address_.action = action;
        return tools::run_address_tool(config, address_);
      });
    };
    CLI::App* sub =
        add(alias, "add", "A new alias, or more targets of one", tools::AddressAction::alias_add);
    sub->add_option("address", address_.name, "team@example.org, @example.org")->required();
    sub->add_option("target", address_.targets, "Addresses")->required();
    sub = add(alias, "remove", "An alias, or only these targets of it",
              tools::AddressAction::alias_remove);
    sub->add_option("address", address_.name, "team@example.org, @example.org")->required();
    sub->add_option("target", address_.targets, "Addresses; none: all");
    sub->add_flag("--with-references", address_.with_references,
                  "Out of other aliases and of senders that name it, too");
    add(alias, "list", "All aliases", tools::AddressAction::alias_list);
    add(domain, "add", "Another domain", tools::AddressAction::domain_add)
        ->add_option("domain", address_.name, "example.org")
        ->required();
    add(domain, "remove", "A domain without mailboxes and aliases",
        tools::AddressAction::domain_remove)
        ->add_option("domain", address_.name, "example.org")
        ->required();
    add(domain, "list", "All domains", tools::AddressAction::domain_list);
  }

  void add_dkim() {
    CLI::App* dkim = app_.add_subcommand("dkim", "Keys that outgoing mail is signed with");
    dkim->require_subcommand(1);
    const auto add = [&](const std::string& name, const std::string& about, auto run) {
      return command(*dkim, name, about,
                     [this, run](const config::Config& config) { return run(config, dkim_); });
    };
    CLI::App* key = add("key", "A new key; prints its DNS record", tools::make_dkim_key);
    key->add_option("domain", dkim_.domain, "example.org")->required();
    key->add_option("--selector", dkim_.selector,
                    "Its name in the DNS (default: mail, or mail-ed25519)");
    CLI::Option* bits = key->add_option("--bits", dkim_.bits, "Of an RSA key: 2048 or 4096");
    bits->check(CLI::IsMember({2048, 4096}));
    key->add_flag("--ed25519", dkim_.ed25519, "Not RSA: for a second signature beside it")
        ->excludes(bits);
    add("show", "The DNS records of a domain's keys, or of all", tools::show_dkim_keys)
        ->add_option("domain", dkim_.domain, "example.org");
    add("check", "Does the DNS say what it should? Exit status 1 if not", tools::check_dkim_records)
        ->add_option("domain", dkim_.domain, "example.org")
        ->required();
  }

  void add_tables() {
    command(app_, "migrate", "Bring PostgreSQL's tables to this version; run again it does nothing",
            tools::run_migrate);
    CLI::App* tables =
        app_.add_subcommand("tables", "Tables and accounts, in files and in PostgreSQL");
    tables->require_subcommand(1);
    const auto add = [&](const std::string& name, const std::string& about, auto run) {
      CLI::App* sub = command(*tables, name, about, [this, run](const config::Config& config) {
        return run(config, tables_);
      });
      sub->add_option("from", tables_.from, "text or pgsql")
          ->required()
          ->check(CLI::IsMember({"text", "pgsql"}));
      sub->add_option("to", tables_.to, "pgsql or text")
          ->required()
          ->check(CLI::IsMember({"text", "pgsql"}));
    };
    add("copy", "Make all of TO what FROM is", tools::copy_tables);
    add("diff", "What copy would change; exit status 1 if anything", tools::diff_tables);
  }

  void add_postmap() {
    CLI::App* sub = command(
        app_, "postmap", "Check a table and make it live, or ask it",
        [this](const config::Config& config) { return tools::run_postmap(config, postmap_); });
    sub->add_option("-q", postmap_.query,
                    "Print the value of this key; \"-\": keys from standard input");
    sub->add_option("table", postmap_.tables, "[TYPE:]FILE, or several")->required();
  }

  void add_spam() {
    CLI::App* spam =
        app_.add_subcommand("spam", "What the spam filter says, and what it was taught");
    spam->require_subcommand(1);
    CLI::App* sub = command(
        *spam, "explain", "Why a mail is spam or not, and what scripts make of it",
        [this](const config::Config& config) { return tools::explain_spam(config, spam_); });
    sub->footer(tools::kSpamStatuses);
    sub->add_option("mail", spam_.mail, "A file, \"-\", or the queue id or Message-ID of a mail")
        ->required();
    sub->add_option("--user", spam_.user, "Whose preferences spamd uses (default: filter.user)");
    sub->add_flag("--json", spam_.json, "As JSON");
    command(*spam, "stats", "Verdicts and lessons since the server was started",
            [this](const config::Config& config) { return tools::print_spam_stats(config, spam_); })
        ->add_flag("--json", spam_.json, "As JSON");
  }

  void add_transfer() {
    const auto add = [&](const std::string& name, const std::string& about,
                         int (*action)(const config::Config&, const tools::TransferOptions&)) {
      CLI::App* parent = app_.add_subcommand(name, about);
      parent->require_subcommand(1);
      for (const auto& [format_name, kind, what] :
           {std::tuple{"mbox", tools::MailFormat::mbox, "A file; \"-\": standard input or output"},
            std::tuple{"maildir", tools::MailFormat::maildir,
                       "A folder, with all folders below"}}) {
        CLI::App* sub = command(*parent, format_name, what,
                                [this, action, format = kind](const config::Config& config) {
                                  transfer_.format = format;
                                  return action(config, transfer_);
                                });
        sub->add_option("place", transfer_.place, what)->required();
        sub->add_option("--user", transfer_.user, "alice@example.org")->required();
        sub->add_option("--folder", transfer_.folder, "Which of the account's folders");
      }
    };
    add("import", "Take mail into an account, or the settings of Postfix and Dovecot",
        tools::import_mail);
    add_import_config(*app_.get_subcommand("import"));
    add("export", "Write an account's mail out, of a server that runs or does not",
        tools::export_mail);
  }

  void add_import_config(CLI::App& import) {
    CLI::App* sub = import.add_subcommand(
        "config",
        "Make a server of what Postfix's and Dovecot's files say, and tell of each setting");
    sub->add_option("places", import_config_.places,
                    "/etc/postfix /etc/dovecot: folders, or the files");
    sub->add_option("--from-dms", import_config_.dms,
                    "docker-mailserver's config folder, with mailserver.env in it");
    sub->add_option("--into", import_config_.into,
                    "The new server's folder (default: /etc/posthorn)");
    sub->add_flag("--dry-run", import_config_.is_dry, "Only tell what would be done");
    sub->add_flag("--json", import_config_.as_json, "For programs");
    sub->add_option("--hostname", import_config_.hostname, "Another name than the old server's");
    sub->add_option("--listen", import_config_.listen,
                    "The address to listen on (default: as before)");
    sub->add_option("--port-base", import_config_.port_base,
                    "Every port = this + the usual one; for trying out beside the old server")
        ->check(CLI::Range(0, 61'345));
    sub->add_option("--mail", import_config_.mail,
                    "The maildirs (default: var/mail below the folder)");
    sub->footer(
        "Exit status: 0 it is made, and check finds no fault; 1 something could not be read or "
        "made, "
        "which is told. What was there already is never changed.");
    sub->callback([this] { status_ = tools::import_config(import_config_); });
  }

  void add_print() {
    app_.add_subcommand("events", "Every event the log can hold, with its meaning")
        ->callback([this] {
          for (const log::Event& event : event::all())
            fmt::print("{:<28} {}\n", event.name, event.meaning);
          status_ = 0;
        });
    app_.add_subcommand("metrics", "Everything that /metrics tells, with its meaning")
        ->callback([this] {
          for (const metrics::Metric& metric : metrics::kMetrics)
            fmt::print("{}\n", metrics::describe(metric));
          status_ = 0;
        });
    app_.add_subcommand("defaults", "Print the annotated default configuration")->callback([this] {
      fmt::print("{}", config::to_toml(config::Config{}));
      status_ = 0;
    });
  }

  void add_manual() {
    CLI::App* sub = app_.add_subcommand("man", "Print a manual page, or the names of all");
    sub->add_option("page", manual_.page,
                    "queue, posthorn.toml, \"events(7)\" …; show it by: man -l -");
    sub->add_option("--to", manual_.folder, "Write all of them below this folder");
    sub->callback([this] { status_ = tools::run_manual(manual_sources(app_), manual_); });
    sub = app_.add_subcommand("completion", "Print the script that completes commands and options");
    sub->add_option("shell", shell_, "Of which shell")
        ->required()
        ->check(CLI::IsMember({"bash", "fish", "zsh"}));
    sub->callback([this] { status_ = tools::print_completion(command_tree(app_), shell_); });
  }

  void add_confined() {
    CLI::App* sub = command(
        app_, "confined", "Try what a role may do",
        [this](const config::Config& config) { return tools::run_confined(config, confined_); });
    sub->group("");
    sub->add_option("--role", confined_.role)->required();
    sub->add_option("attempts", confined_.attempts);
  }

  CLI::App app_;
  std::string config_;
  tools::InitOptions init_;
  tools::ImportConfigOptions import_config_;
  ServeOptions serve_;
  tools::UserOptions user_;
  tools::BanOptions ban_;
  tools::QuotaOptions quota_;
  tools::SieveOptions sieve_;
  tools::VacationOptions vacation_;
  tools::AddressOptions address_;
  tools::DkimOptions dkim_;
  tools::DnsOptions dns_;
  tools::TablesOptions tables_;
  tools::PostmapOptions postmap_;
  tools::QueueOptions queue_;
  tools::ExplainOptions explain_;
  tools::RelayOptions relay_;
  tools::ExplainLoginOptions explain_login_;
  tools::SpamOptions spam_;
  tools::StatusOptions status_options_;
  CertificateOptions certificate_;
  tools::TraceOptions trace_;
  tools::TapOptions tap_;
  tools::TransferOptions transfer_;
  tools::ConfinedOptions confined_;
  tools::ManualOptions manual_;
  std::string shell_;
  std::vector<std::string> help_;
  int status_ = 0;
};

}  // namespace

// Under another program's name it acts as that one: links are all that `cmake --install` adds.
int run_command_line(int argc, char** argv) {
  // A value in a file is read once, by whoever may read it; the roles inherit it.
  config::Variables variables = config::environment();
  if (const auto resolved = config::resolve_files(variables, "POSTHORN_"); !resolved) {
    fmt::print(stderr, "posthorn: {}\n", resolved.error().what);
    return process::kExitConfig;
  }
  config::adopt_environment(variables);
  std::vector<std::string> arguments(argv, argv + argc);
  const std::string name = arguments.empty() ? "" : Path(arguments.front()).filename().string();
  if (name == "mailq" || name == "newaliases")
    arguments.insert(arguments.begin() + 1, name == "mailq" ? "-bp" : "-bi");
  if (name == "sendmail" || name == "mailq" || name == "newaliases")
    return tools::run_sendmail(arguments);
  if (name != "postmap") return CommandLine().run(argc, argv);
  std::vector<char*> words = {argv[0], const_cast<char*>("postmap")};
  words.insert(words.end(), argv + 1, argv + argc);
  return CommandLine().run(static_cast<int>(words.size()), words.data());
}

}  // namespace posthorn::app
