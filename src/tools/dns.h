// `posthorn dns DOMAIN`: every record to publish for a domain, beside what is published, and what
// to do. It asks the DNS itself, and needs no server that runs.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "dns/records.h"

namespace posthorn::tools {

struct DnsOptions {
  std::string domain;
  bool json = false;
  bool zone = false;
};

// 0: all that mail needs is good; 1: something is wrong, or missing; 75: nobody could say. The
// JSON: tests/schemas/dns.json.
int print_dns(const config::Config& config, const DnsOptions& options);

// The keys that a domain's mail is signed with, without what is published of them. Blocks.
std::vector<dns::KeyFacts> read_key_facts(const config::Config& config, const std::string& domain);
// What this server is, as its records tell. Blocks.
dns::Server find_dns_server(const config::Config& config);

}  // namespace posthorn::tools
