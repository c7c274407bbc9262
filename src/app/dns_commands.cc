#include "app/dns_commands.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {

void add_dns_command(CLI::App& program, tools::DnsOptions& options, const AddCommand& add_command) {
  CLI::App* sub = add_command(
      program, "dns", "Every DNS record to publish for a domain, beside what is published now",
      [&options](const config::Config& config) { return tools::print_dns(config, options); });
  sub->add_option("domain", options.domain, "example.org")->required();
  CLI::Option* json = sub->add_flag("--json", options.json, "As JSON");
  sub->add_flag("--zone", options.zone, "Only the records, as a zone file")->excludes(json);
  sub->footer(
      "Exit status: 0 all that mail needs is good; 1 something is wrong, or missing; 75 nobody "
      "could say.");
}

}  // namespace posthorn::app
