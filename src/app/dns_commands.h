// The words of `posthorn dns`.
#pragma once

#include "app/explain_commands.h"
#include "tools/dns.h"

namespace posthorn::app {

void add_dns_command(CLI::App& program, tools::DnsOptions& options, const AddCommand& add_command);

}  // namespace posthorn::app
