#include "dns/outside.h"

#include <fmt/format.h>

#include "dns/mark.h"
#include "net/http_client.h"
#include "net/socket.h"

namespace posthorn::dns {
namespace {

struct Place {
  std::string host;
  std::uint16_t port = 25;
};

net::Task<Place> find_place(net::Resolver& resolver, std::string probe, const Patience& patience) {
  const std::size_t colon = probe.rfind(':');
  if (colon != std::string::npos) {
    if (const auto literal = net::parse_address(probe))
      if (const auto* tcp = std::get_if<net::TcpAddress>(&*literal))
        co_return Place{tcp->host, tcp->port};
    const int port = std::atoi(probe.c_str() + colon + 1);
    if (port <= 0 || port > 65'535)
      co_return fail(ErrorKind::config, "dns.port_25_probe: \"" + probe + "\" has no port");
    co_return Place{probe.substr(0, colon), static_cast<std::uint16_t>(port)};
  }
  CO_TRY(const auto exchangers, co_await resolver.mx(probe, patience()));
  if (exchangers.records.empty() || exchangers.records.front().host.empty())
    co_return fail(ErrorKind::temporary, probe + " has no MX");
  co_return Place{exchangers.records.front().host, 25};
}

}  // namespace

net::Awaitable<health::Mark> try_port_25(net::Executor executor, net::Resolver& resolver,
                                         std::string probe, Patience patience) {
  constexpr auto kConnectMax = 6s;
  constexpr const char* kRecord = "port 25";
  const auto place = co_await find_place(resolver, probe, patience);
  if (!place) co_return unasked(probe, kRecord, place.error().what);
  Answer addresses = std::vector<std::string>{place->host};
  if (!net::check_literal(place->host))
    addresses = co_await resolver.addresses(place->host, patience());
  if (!addresses) co_return unasked(probe, kRecord, addresses.error().what);
  if (addresses->empty()) co_return unasked(probe, kRecord, place->host + " has no address");
  // One of IPv4, which most have, or else of IPv6: the other may be missing here altogether.
  std::string address = addresses->front();
  for (const std::string& one : *addresses)
    if (!one.contains(':')) address = one;
  const SteadyTime deadline = Clock::system().steady_now() + kConnectMax;
  const auto stream =
      co_await net::connect(std::move(executor), net::TcpAddress{address, place->port}, deadline);
  if (stream)
    co_return good(probe, kRecord, fmt::format("{}:{} answers", place->host, place->port));
  if (stream.error().what.contains("unreachable"))
    co_return unasked(probe, kRecord, stream.error().what);
  co_return wrong(probe, kRecord, stream.error().what,
                  "most likely the provider of this machine closes it: ask there to have outgoing "
                  "port 25 opened, or send by a relay (relay.relayhost)");
}

net::Awaitable<health::Mark> try_policy(net::Scope& scope, net::Resolver& resolver,
                                        std::string domain, std::string policy, Path authority) {
  constexpr auto kFetchMax = 15s;
  net::HttpClient client(scope, &resolver,
                         {.authority = std::move(authority),
                          .user_agent = "posthorn/" POSTHORN_VERSION,
                          .timeout = kFetchMax,
                          .body_max = 64U << 10U});
  auto answer = co_await client.ask(
      {.url = fmt::format("https://mta-sts.{}/.well-known/mta-sts.txt", domain)});
  client.stop();
  Result<Fetched> fetched = fail(ErrorKind::temporary, "");
  if (answer) {
    const std::string* type = answer->find("content-type");
    fetched = Fetched{answer->status, type == nullptr ? "" : *type, std::move(answer->body)};
  } else {
    fetched = std::unexpected(answer.error());
  }
  co_return judge_fetched(domain, policy, fetched);
}

}  // namespace posthorn::dns
