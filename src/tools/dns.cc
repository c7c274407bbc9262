#include "tools/dns.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/next_hop.h"
#include "deliver/dkim_key.h"
#include "dns/inspection.h"
#include "dns/mta_sts.h"
#include "dns/names.h"
#include "dns/outside.h"
#include "dns/service_marks.h"
#include "net/certificate_folder.h"
#include "net/own_addresses.h"
#include "net/own_loop.h"
#include "net/tls.h"
#include "process/sockets.h"
#include "tools/complain.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kExitUnasked = 75;
constexpr auto kAllMax = 60s;
constexpr auto kQuestionMax = 3s;
constexpr auto kTryTimeout = 1s;

// A DNS that has been silent twice running is waited for no more: the others' answers, if there are
// any, come at once.
class Waiting {
 public:
  explicit Waiting(const net::Scope& scope) : scope_(scope), end_(scope.after(kAllMax)) {}
  SteadyTime operator()() {
    constexpr auto kHardly = 100ms;
    constexpr int kSilentMax = 2;
    const SteadyTime now = scope_.clock().steady_now();
    silent_ = now >= deadline_ ? silent_ + 1 : 0;
    deadline_ = std::min(end_, now + (silent_ >= kSilentMax ? kHardly : kQuestionMax));
    return deadline_;
  }

 private:
  const net::Scope& scope_;
  SteadyTime end_;
  SteadyTime deadline_ = SteadyTime::max();
  int silent_ = 0;
};

// The certificates that are shown to who asks for this server: its own pair, which is acme's where
// that has one, and those in folders that name it.
std::vector<Path> find_shown(const config::Config& config) {
  std::error_code ignored;
  const Path by_acme = config.paths.acme / (config.server.hostname + ".pem");
  std::vector<Path> files = {config.paths.certificate};
  if (process::has_acme(config)) {
    files.clear();
    if (std::filesystem::is_regular_file(std::filesystem::symlink_status(by_acme, ignored)))
      files.push_back(by_acme);
  }
  if (const auto more = net::find_certificates(config.tls.folder))
    for (const net::CertificateFiles& pair : *more)
      if (const auto info = net::read_certificate(pair.certificate))
        if (std::ranges::find(info->names, config.server.hostname) != info->names.end())
          files.push_back(pair.certificate);
  return files;
}

dns::Inspected make_inspected(const config::Config& config, const std::string& domain,
                              const std::string& given) {
  dns::Inspected inspected{.server = find_dns_server(config),
                           .domain = {.name = domain, .keys = read_key_facts(config, domain)},
                           .block_lists = config.dns.block_lists};
  // Who has made it with the name as people write it.
  if (inspected.domain.keys.empty() && given != domain)
    inspected.domain.keys = read_key_facts(config, given);
  if (!config.dkim.sign || !inspected.server.relay.empty())
    inspected.without_key = dns::Unsigned::meant;
  return inspected;
}

net::Task<dns::Inspection> ask_all(const config::Config& config, net::Scope& scope,
                                   net::Resolver& resolver, dns::Inspected inspected) {
  Waiting waiting(scope);
  const dns::Patience patience = std::ref(waiting);
  const std::string domain = inspected.domain.name;
  const std::string policy = inspected.server.policy;
  const bool is_direct = inspected.server.relay.empty();
  auto found = co_await dns::inspect(resolver, std::move(inspected), patience);
  if (is_direct && !config.dns.port_25_probe.empty())
    found.marks.push_back(
        co_await dns::try_port_25(scope.executor(), resolver, config.dns.port_25_probe, patience));
  if (found.has_policy)
    found.marks.push_back(
        co_await dns::try_policy(scope, resolver, domain, policy, config.relay.trust_file));
  co_return found;
}

net::Task<std::vector<dns::Record>> ask_records(net::Scope& scope, net::Resolver& resolver,
                                                dns::Inspected inspected) {
  const SteadyTime end = scope.after(kQuestionMax);
  co_return co_await dns::find_records(resolver, std::move(inspected), [end] { return end; });
}

std::string_view shown_outcome(const health::Mark& mark) {
  return mark.outcome == "unasked" ? "unknown" : std::string_view(mark.outcome);
}

int exit_code(const std::vector<health::Mark>& marks) {
  bool is_unknown = false;
  for (const health::Mark& mark : marks) {
    if (dns::matters(mark)) return 1;
    is_unknown = is_unknown || (mark.outcome == "unasked" && dns::is_needed(mark.record));
  }
  return is_unknown ? kExitUnasked : 0;
}

void print_text(const std::string& domain, const dns::Inspection& found) {
  for (const health::Mark& mark : found.marks) {
    fmt::print("{:<8} {}\n", shown_outcome(mark),
               health::printable(fmt::format("{} of {}{}", mark.record, mark.name,
                                             mark.found.empty() ? "" : ": " + mark.found)));
    if (!mark.remedy.empty()) fmt::print("         -> {}\n", health::printable(mark.remedy));
  }
  fmt::print("\nThe records, as `posthorn dns {0} --zone` prints them alone:\n\n{1}", domain,
             dns::make_zone(found.records, domain));
}

void print_json(const config::Config& config, const std::string& domain,
                const dns::Inspection& found) {
  const int code = exit_code(found.marks);
  Json out = {{"domain", domain},
              {"host", config.server.hostname},
              {"verdict", code == 0   ? "good"
                          : code == 1 ? "faults"
                                      : "unknown"},
              {"marks", Json::array()},
              {"records", Json::array()}};
  for (const health::Mark& mark : found.marks) {
    Json one = {{"record", mark.record},
                {"name", mark.name},
                {"outcome", shown_outcome(mark)},
                {"found", mark.found}};
    if (!mark.remedy.empty()) one["remedy"] = mark.remedy;
    out["marks"].push_back(std::move(one));
  }
  for (const dns::Record& record : found.records)
    out["records"].push_back({{"name", record.owner},
                              {"type", record.type},
                              {"data", record.data},
                              {"purpose", record.purpose}});
  fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

std::vector<dns::KeyFacts> read_key_facts(const config::Config& config, const std::string& domain) {
  std::vector<dns::KeyFacts> keys;
  const auto files = deliver::find_dkim_keys(config.dkim.folder, domain);
  if (!files) return keys;
  for (const auto& [selector, path] : *files)
    if (const auto key = deliver::DkimKey::read(path))
      keys.push_back({.selector = selector,
                      .type = key->type(),
                      .public_base64 = key->public_base64(),
                      .records = {}});
  return keys;
}

dns::Server find_dns_server(const config::Config& config) {
  dns::Server server{
      .host = dns::to_dns_name(config.server.hostname),
      .addresses = config.dns.addresses.empty() ? net::own_addresses() : config.dns.addresses,
      .services = dns::find_services(config.listen),
      .web = dns::find_web(config.listen),
      .policy = dns::make_policy(config.mta_sts, config.server.hostname),
      .authority = dns::caa_authority(config.acme.directory)};
  if (const auto relay = config::parse_next_hop(config.relay.relayhost))
    server.relay = dns::relay_term(*relay);
  for (const Path& file : find_shown(config))
    if (const auto info = net::read_certificate(file); info && !info->key_sha256.empty())
      if (std::ranges::find(server.keys, info->key_sha256) == server.keys.end())
        server.keys.push_back(info->key_sha256);
  return server;
}

int print_dns(const config::Config& config, const DnsOptions& options) {
  const std::string domain = dns::to_dns_name(options.domain);
  if (domain.empty() || !domain.contains('.'))
    return complain(
        fmt::format("\"{}\" is no name of a domain; give one of those that `posthorn "
                    "domain list` shows",
                    health::printable(options.domain)));
  if (dns::to_dns_name(config.server.hostname).find('.') == std::string::npos)
    return complain(
        fmt::format("server.hostname is \"{}\", which the DNS cannot have; set it to "
                    "this machine's full name, mx.{}",
                    config.server.hostname, domain));
  net::OwnLoop loop;
  auto resolver = net::Resolver::make(
      loop.scope().executor(),
      {.servers = config.relay.resolver, .try_timeout = kTryTimeout, .tries = 2});
  if (!resolver) return complain(resolver.error().what);
  auto inspected = make_inspected(config, domain, options.domain);
  if (options.zone) {
    const auto records = loop.run(ask_records(loop.scope(), **resolver, std::move(inspected)));
    if (!records) return complain(records.error().what, kExitUnasked);
    fmt::print("{}", dns::make_zone(*records, domain));
    return 0;
  }
  auto found = loop.run(ask_all(config, loop.scope(), **resolver, std::move(inspected)));
  if (!found) return complain(found.error().what, kExitUnasked);
  if (options.json)
    print_json(config, domain, *found);
  else
    print_text(domain, *found);
  return exit_code(found->marks);
}

}  // namespace posthorn::tools
