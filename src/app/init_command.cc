#include "app/init_command.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {
namespace {

// What is asked on a terminal, as options for scripts.
void add_answers(CLI::App& sub, tools::InitOptions& init) {
  tools::InitFlags& flags = init.flags;
  sub.add_option("--user", flags.account, "The first account, alice@example.org");
  sub.add_option("--password-file", flags.password_file,
                 "The file with its password; \"-\": standard input");
  sub.add_option("--relay", flags.relay,
                 "What mail leaves through: smtp.example.net:587, or sendgrid (default: none)");
  sub.add_option("--relay-login", flags.relay_login, "The login there (sendgrid: apikey)");
  sub.add_option("--relay-password-file", flags.relay_password_file,
                 "The file with its password; \"-\": standard input");
  sub.add_option("--acme", flags.acme_email,
                 "Get certificates by ACME, and be written to at this address");
  sub.add_option("--acme-directory", flags.acme_directory,
                 "Whose: letsencrypt (default), letsencrypt-staging, or the URL of a directory");
  sub.add_option("--acme-authority", init.acme_authority,
                 "PEM: who vouches for that directory's own TLS (default: the system's)");
  sub.add_option("--acme-eab-key-id", init.acme_eab_key_id,
                 "External account binding, where the authority wants one: its key's identifier");
  sub.add_option("--acme-eab-key-file", init.acme_eab_key_file, "And the file with the key");
  sub.add_flag("--yes", flags.yes,
               "Ask nothing: take each proposal, and agree to the terms of the authority that "
               "--acme asks");
}

}  // namespace

void add_init_command(CLI::App& program, tools::InitOptions& init, std::string& config,
                      int& status) {
  CLI::App* sub = program.add_subcommand("init",
                                         "Make a complete instance below a folder, asking on a "
                                         "terminal what no option says; overwrites "
                                         "nothing");
  sub->add_option("folder", init.folder,
                  "Where (default: /etc/posthorn, with mail in /var/vmail as the package has it)");
  sub->add_option("--hostname", init.hostname, "The server's name, mx.example.org");
  sub->add_option("--domain", init.domains, "A mail domain; may be given again");
  sub->add_option("--listen", init.listen, "The address to listen on (default: all)");
  sub->add_option("--port-base", init.port_base,
                  "Every port = this + the usual one; for trying out without root")
      ->check(CLI::Range(0, 61'345));
  sub->add_option("--mail", init.mail, "The maildirs (default: var/mail below the folder)");
  sub->add_option("--state", init.state,
                  "Last good tables, users and scripts (default: var/state below the folder)");
  sub->add_option("--spool", init.spool, "The queue (default: var/spool below the folder)");
  sub->add_option("--run", init.run, "The sockets (default: var/run below the folder)");
  sub->add_option("--webroot", init.webroot,
                  "Where certbot puts its challenges (default: var/webroot below the folder)");
  sub->add_option("--spamd", init.spamd, "SpamAssassin's spamd: 127.0.0.1:783 or unix:/path");
  sub->add_option("--pgsql", init.pgsql,
                  "Tables and accounts in PostgreSQL: \"host=localhost dbname=posthorn user=…\"");
  sub->add_option("--pgsql-password-file", init.pgsql_password,
                  "The file with its password (default: conf/pgsql-password, if it is there)");
  sub->add_option("--from-dms", init.dms_folder,
                  "docker-mailserver's config folder: its accounts, aliases and relays");
  sub->add_option("--profile", init.profile,
                  "A set of defaults: default, dev, local, test (else POSTHORN_PROFILE)");
  add_answers(*sub, init);
  sub->add_option("-c,--config", config, "Not used here: init makes the configuration");
  sub->callback([&init, &status] { status = tools::init_instance(init); });
}

}  // namespace posthorn::app
