#include "process/challenge_ways.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/events.h"
#include "net/socket.h"
#include "process/sockets.h"

namespace posthorn::process {
namespace {

constexpr std::string_view kHttp = "http-01";
constexpr std::string_view kPlace = "/.well-known/acme-challenge/";
constexpr int kHttpPort = 80, kTlsPort = 443;

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1";
}

struct Listening {
  bool is_open = false;  // on the authority's port, and not for this machine alone
  std::string target;    // where another program of this machine reaches us; empty: nowhere
};

Listening look_at(const std::vector<std::string>& addresses, int port) {
  Listening found;
  for (const std::string& text : addresses) {
    const auto address = net::parse_address(text);
    if (!address) continue;
    const auto* tcp = std::get_if<net::TcpAddress>(&*address);
    if (tcp == nullptr) continue;
    if (tcp->port == port && !is_loopback(tcp->host)) found.is_open = true;
    if (!found.target.empty()) continue;
    const std::string host = tcp->host == "0.0.0.0"    ? "127.0.0.1"
                             : tcp->host == "::"       ? "[::1]"
                             : tcp->host.contains(':') ? "[" + tcp->host + "]"
                                                       : tcp->host;
    found.target = fmt::format("{}:{}", host, tcp->port);
  }
  return found;
}

// What to write where, for the program that has port 80.
std::string handing_on(const std::string& holder, const std::string& target) {
  const std::string nginx =
      fmt::format("in nginx's server block of port 80: location ^~ {} {{ proxy_pass http://{}; }}",
                  kPlace, target);
  const std::string apache = fmt::format(
      "in Apache's VirtualHost of port 80 (a2enmod proxy_http): ProxyPass {} http://{}{}", kPlace,
      target, kPlace);
  if (holder.starts_with("nginx") || holder == "openresty" || holder == "angie") return nginx;
  if (holder.starts_with("apache") || holder == "httpd") return apache;
  if (holder == "caddy")
    return fmt::format("in Caddy's http:// site: handle {}* {{ reverse_proxy {} }}", kPlace,
                       target);
  if (holder == "haproxy")
    return fmt::format(
        "in HAProxy's frontend of port 80: use_backend posthorn if {{ path_beg {} }}, "
        "and: backend posthorn, with: server posthorn {}",
        kPlace, target);
  if (holder == "lighttpd")
    return fmt::format(
        "in lighttpd.conf, with mod_proxy: $HTTP[\"url\"] =^ \"{}\" {{ proxy.server "
        "= (\"\" => ((\"host\" => \"{}\", \"port\" => {}))) }}",
        kPlace, target.substr(0, target.rfind(':')), target.substr(target.rfind(':') + 1));
  return fmt::format("{}; {}", nginx, apache);
}

std::string name_of(const std::optional<PortHolder>& holder) {
  if (!holder) return "";
  return holder->pid.empty() ? "another program"
                             : fmt::format("{} (process {})", holder->name, holder->pid);
}

ChallengeWay find_http_way(const config::Config& config, const FindHolder& find_holder) {
  const Listening own = look_at(config.listen.http, kHttpPort);
  if (own.is_open) return {.state = ChallengeWay::State::open, .reason = "", .remedy = ""};
  const auto holder = find_holder(kHttpPort);
  if (own.target.empty())
    return {.state = ChallengeWay::State::closed,
            .reason = holder
                          ? fmt::format("listen.http is empty, and {} has port 80", name_of(holder))
                          : "listen.http is empty: nobody answers on port 80",
            .remedy = holder ? fmt::format("set listen.http = [\"127.0.0.1:8080\"], and {}",
                                           handing_on(holder->name, "127.0.0.1:8080"))
                             : "set listen.http = [\"0.0.0.0:80\", \"[::]:80\"]"};
  return {.state = ChallengeWay::State::handed_on,
          .reason = holder ? fmt::format("{} has port 80, not this server (listen.http is {})",
                                         name_of(holder), fmt::join(config.listen.http, " "))
                           : fmt::format("this server does not listen on port 80 (listen.http is "
                                         "{})",
                                         fmt::join(config.listen.http, " ")),
          .remedy = holder ? fmt::format("it must hand {} on to us: {}", kPlace,
                                         handing_on(holder->name, own.target))
                           : fmt::format("add \"0.0.0.0:80\" to listen.http, or have who has port "
                                         "80 hand {} on to us: {}",
                                         kPlace, handing_on("", own.target))};
}

// Who hands TLS on must do so unread: the proof is in the handshake itself.
ChallengeWay find_tls_way(const config::Config& config, const FindHolder& find_holder) {
  const Listening own = look_at(config.listen.https, kTlsPort);
  if (own.is_open) return {.state = ChallengeWay::State::open, .reason = "", .remedy = ""};
  const auto holder = find_holder(kTlsPort);
  if (own.target.empty())
    return {.state = ChallengeWay::State::closed,
            .reason =
                holder ? fmt::format("listen.https is empty, and {} has port 443", name_of(holder))
                       : "listen.https is empty: nobody answers on port 443",
            .remedy = holder ? "prove names by http-01"
                             : "set listen.https = [\"0.0.0.0:443\", \"[::]:443\"], or prove names "
                               "by http-01"};
  return {
      .state = ChallengeWay::State::handed_on,
      .reason = holder ? fmt::format("{} has port 443, not this server", name_of(holder))
                       : "this server does not listen on port 443",
      .remedy = fmt::format("who has it must pass connections with the ALPN acme-tls/1 on to {} "
                            "unread, as TCP (nginx: ssl_preread), or prove names by http-01",
                            own.target)};
}

std::optional<PortHolder> nobody(int) {
  return std::nullopt;
}

bool has_certificate(const config::Config& config) {
  std::error_code ignored;
  return std::filesystem::exists(config.paths.acme / (config.server.hostname + ".pem"), ignored);
}

}  // namespace

ChallengeWay find_way(const config::Config& config, std::string_view challenge,
                      const FindHolder& find_holder) {
  return challenge == kHttp ? find_http_way(config, find_holder)
                            : find_tls_way(config, find_holder);
}

std::string describe_ways(const config::Config& config) {
  std::string text;
  for (const std::string& challenge : config.acme.challenges) {
    const ChallengeWay way = find_way(config, challenge, nobody);
    if (way.state == ChallengeWay::State::open) return "";
    text +=
        fmt::format("{}{}: {}; {}", text.empty() ? "" : ". ", challenge, way.reason, way.remedy);
  }
  return text;
}

std::string why_unanswerable(const config::Config& config, std::string_view challenge) {
  const ChallengeWay way = find_way(config, challenge, nobody);
  return way.state == ChallengeWay::State::closed ? fmt::format("{}; {}", way.reason, way.remedy)
                                                  : "";
}

config::Findings find_challenge_doubts(const config::Config& config,
                                       const FindHolder& find_holder) {
  if (!has_acme(config) || has_certificate(config)) return {};
  config::Findings findings;
  for (const std::string& challenge : config.acme.challenges) {
    const ChallengeWay way = find_way(config, challenge, find_holder);
    if (way.state == ChallengeWay::State::open) return {};
    const bool is_http = challenge == kHttp;
    findings.push_back(
        {fmt::format("{}: listen.{}",
                     config::place_of(config, "listen", is_http ? "http" : "https"),
                     is_http ? "http" : "https"),
         fmt::format("no certificate can be got by {} as it is: {}", challenge, way.reason),
         way.remedy, config::Weight::warning});
  }
  return findings;
}

void log_challenge_doubts(const config::Config& config) {
  for (const config::Finding& finding : find_challenge_doubts(config, find_port_holder))
    log::Logger{}.warn(event::acme_unreachable,
                       {{"reason", finding.reason}, {"remedy", finding.remedy}});
}

}  // namespace posthorn::process
