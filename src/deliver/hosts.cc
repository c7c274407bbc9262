// To which hosts mail goes: those of a relay, or of the recipients' domain by its MX records
// (RFC 5321 section 5.1, RFC 7505). "Not there" sends the mail back, "could not ask" lets it wait.
#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>

#include "deliver/outcomes.h"
#include "deliver/transports.h"
#include "message/mailbox_address.h"
#include "net/networks.h"

namespace posthorn::deliver {
namespace {

bool is_literal(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

}  // namespace

net::Task<std::expected<Transports::Way, Transports::NoWay>> Transports::find_way(
    const route::Plan& plan) {
  using Out = std::expected<Way, NoWay>;
  if (const auto* mx = std::get_if<route::MxPlan>(&plan)) {
    CO_TRY(auto hosts, co_await mx_hosts(mx->domain, config_.relay.mx_port));
    if (!hosts) co_return Out(std::unexpected(hosts.error()));
    co_return Out(Way{*std::move(hosts), config_.relay.mx_tls, "", ""});
  }
  const auto& relay = std::get<route::RelayPlan>(plan);
  Way way{{}, relay.tls, relay.user, relay.password};
  if (relay.use_mx && !is_literal(relay.host)) {
    CO_TRY(const auto answer, co_await resolver_.mx(relay.host, scope_.after(30s)));
    Found found = co_await addresses_of(answer.records, relay.port);
    if (found.hosts.empty() && found.unknown) co_return std::unexpected(*found.unknown);
    way.hosts = std::move(found.hosts);
  }
  if (way.hosts.empty()) {
    CO_TRY(way.hosts, co_await host_addresses(relay.host, relay.port));
  }
  // The operator named this host: that it is not there is a fault to mend, not a reason to bounce.
  if (way.hosts.empty())
    co_return fail(ErrorKind::temporary, fmt::format("{} has no address", relay.host));
  co_return Out(std::move(way));
}

// RFC 5321 section 5.1, RFC 7505.
net::Task<std::expected<std::vector<Transports::Host>, Transports::NoWay>> Transports::mx_hosts(
    std::string domain, std::uint16_t port) {
  using Out = std::expected<std::vector<Host>, NoWay>;
  const auto none = [](NoWay::Reason reason, smtp::Reply reply) {
    return Out(std::unexpected(NoWay{reason, failed(std::move(reply))}));
  };
  constexpr auto kNoSuchDomain = NoWay::Reason::no_such_domain, kRefused = NoWay::Reason::refused;
  if (domain.starts_with('[') && domain.ends_with(']')) {
    std::string literal = domain.substr(1, domain.size() - 2);
    if (literal.starts_with("IPv6:") || literal.starts_with("ipv6:")) literal = literal.substr(5);
    if (!is_literal(literal))
      co_return none(kNoSuchDomain, {550, "5.1.2", "The address literal has a fault"});
    if (net::is_private(literal) && !config_.relay.private_mx)
      co_return none(kNoSuchDomain, {550, "5.1.2", "A private address is not delivered to"});
    co_return Out(std::vector<Host>{{literal, literal, port}});
  }
  CO_TRY(auto answer, co_await resolver_.mx(domain, scope_.after(30s)));
  std::vector<net::MxRecord>& records = answer.records;
  const bool implicit = records.empty();
  if (implicit) records.push_back({0, message::to_lower(domain)});
  // RFC 7505: it stands alone; beside others it is a mistake that is passed over.
  if (records.size() == 1 && records.front().host.empty())
    co_return none(kRefused, {556, "5.1.10", fmt::format("{} takes no mail (null MX)", domain)});
  std::erase_if(records, [](const net::MxRecord& record) { return record.host.empty(); });
  // RFC 5321 section 5.1: hosts no better than ourselves would send it back to us.
  const auto self =
      std::ranges::find(records, message::to_lower(config_.server.hostname), &net::MxRecord::host);
  if (self != records.end()) {
    const int own = self->preference;
    std::erase_if(records, [own](const auto& record) { return record.preference >= own; });
    if (records.empty())
      co_return none(kRefused, {550, "5.4.6",
                                fmt::format("The mail for {} comes back to this server", domain)});
  }
  auto [hosts, unknown] = co_await addresses_of(records, port);
  if (hosts.empty() && unknown) co_return std::unexpected(*unknown);
  if (hosts.empty() && implicit)
    co_return none(kNoSuchDomain,
                   {550, "5.1.2", fmt::format("{} has neither MX nor address", domain)});
  if (hosts.empty())
    co_return fail(ErrorKind::temporary, fmt::format("no MX host of {} has an address", domain));
  if (!config_.relay.private_mx) {
    std::erase_if(hosts, [](const Host& host) { return net::is_private(host.address); });
    if (hosts.empty() && unknown) co_return std::unexpected(*unknown);
    if (hosts.empty())
      co_return none(kRefused, {550, "5.4.4",
                                fmt::format("All MX hosts of {} have private addresses", domain)});
  }
  co_return Out(std::move(hosts));
}

// In the order of the records; one that cannot be asked for now does not hide the others.
net::Awaitable<Transports::Found> Transports::addresses_of(
    const std::vector<net::MxRecord>& records, std::uint16_t port) {
  constexpr std::size_t kHostsMax = 20;
  Found found;
  std::size_t asked = 0;
  for (const net::MxRecord& record : records) {
    if (++asked > kHostsMax || found.hosts.size() >= kHostsMax) break;
    const auto hosts = co_await host_addresses(record.host, port);
    if (hosts)
      found.hosts.insert(found.hosts.end(), hosts->begin(), hosts->end());
    else
      found.unknown = hosts.error();
  }
  co_return found;
}

net::Task<std::vector<Transports::Host>> Transports::host_addresses(std::string name,
                                                                    std::uint16_t port) {
  if (is_literal(name)) co_return std::vector<Host>{{name, name, port}};
  std::vector<Host> hosts;
  if (name == "localhost") co_return std::vector<Host>{{name, "127.0.0.1", port}};
  CO_TRY(const auto addresses, co_await resolver_.addresses(name, scope_.after(30s)));
  for (const std::string& address : addresses) hosts.push_back({name, address, port});
  co_return hosts;
}

}  // namespace posthorn::deliver
