#include "app/certificate_commands.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {

void add_certificate_commands(CLI::App& program, CertificateOptions& options,
                              const AddCommand& add_command) {
  CLI::App* certificate =
      program.add_subcommand("certificate", "The certificates that programs are shown");
  certificate->require_subcommand(1);
  CLI::App* list = add_command(
      *certificate, "list",
      "Each with its names, issuer, end and renewal, what every TLS port really shows, and what is "
      "wrong; exit status 1 if anything is",
      [&options](const config::Config& config) {
        return tools::list_certificates(config, options.list);
      });
  list->add_flag("--json", options.list.json, "As JSON");
  CLI::App* install = add_command(
      *certificate, "install",
      "Put a pair in place that was got elsewhere, and have it shown; as certbot's --deploy-hook "
      "it needs no words",
      [&options](const config::Config& config) {
        return tools::install_certificate(config, options.install);
      });
  install->add_option("--cert", options.install.certificate,
                      "The certificate with its chain (default: fullchain.pem of RENEWED_LINEAGE)");
  install->add_option("--key", options.install.key,
                      "Its key (default: privkey.pem of RENEWED_LINEAGE)");
  install->add_option("--name", options.install.name,
                      "A folder of tls.folder: beside the server's own, for clients that ask for "
                      "its names");
  CLI::App* renew = add_command(
      *certificate, "renew",
      "Get those by ACME anew, now; without ACME, issue the one that init made anew, with the same "
      "key",
      [&options](const config::Config& config) {
        return tools::renew_certificates(config, options.renew);
      });
  renew->add_option("name", options.renew.name,
                    "Only this one, as `certificate list` calls it (default: all)");
}

}  // namespace posthorn::app
