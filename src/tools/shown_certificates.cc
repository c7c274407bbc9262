#include "tools/shown_certificates.h"

#include <algorithm>
#include <fmt/format.h>
#include <span>

#include "base/ascii.h"
#include "net/buffer.h"
#include "net/own_loop.h"
#include "net/peer_certificate.h"
#include "net/tls.h"

namespace posthorn::tools {
namespace {

constexpr auto kPatience = 5s;  // for one port and name
constexpr std::size_t kLinesMax = 50;
constexpr std::size_t kNamesMax = 20, kFarNamesMax = 3;  // far: addresses that limits count

// How a client gets to TLS: what it says, and how the last line of the answer begins.
struct Step {
  std::string_view said, answered;
};
// RFC 3207, RFC 9051 section 6.2.1, RFC 2595 section 4, RFC 5804 section 1.6.
constexpr Step kSmtp[] = {{"", "220 "}, {"EHLO localhost\r\n", "250 "}, {"STARTTLS\r\n", "220 "}};
constexpr Step kImap[] = {{"", "* OK"}, {"a STARTTLS\r\n", "a OK"}};
constexpr Step kPop3[] = {{"", "+OK"}, {"STLS\r\n", "+OK"}};
constexpr Step kSieve[] = {{"", "OK"}, {"STARTTLS\r\n", "OK"}};

struct Service {
  std::string_view name;
  const std::vector<std::string> config::Listen::* addresses;
  std::span<const Step> steps;  // none: TLS at once
};
constexpr Service kServices[] = {
    {"smtp", &config::Listen::smtp, kSmtp},
    {"submission", &config::Listen::submission, kSmtp},
    {"submissions", &config::Listen::submissions, {}},
    {"imap", &config::Listen::imap, kImap},
    {"imaps", &config::Listen::imaps, {}},
    {"pop3", &config::Listen::pop3, kPop3},
    {"pop3s", &config::Listen::pop3s, {}},
    {"managesieve", &config::Listen::managesieve, kSieve},
    {"https", &config::Listen::https, {}},
};

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1";
}

// A refusal has another beginning, and is not waited behind.
bool is_refusal(std::string_view line) {
  return line.starts_with('4') || line.starts_with('5') || line.starts_with("-ERR") ||
         line.starts_with("a NO") || line.starts_with("a BAD") || line.starts_with("NO") ||
         line.starts_with("BYE") || line.starts_with("* BYE");
}

net::Task<> take_step(net::Stream& stream, const Step& step, SteadyTime deadline) {
  net::InBuffer in;
  if (!step.said.empty()) CO_TRY_OK(co_await stream.write(step.said, deadline));
  for (std::size_t i = 0; i < kLinesMax;) {
    const auto line = in.take_line();
    if (!line) {
      CO_TRY_OK(co_await in.fill(stream, deadline, 4096));
      continue;
    }
    ++i;
    if (line->starts_with(step.answered)) co_return Result<>{};
    if (is_refusal(*line))
      co_return fail(ErrorKind::protocol, fmt::format("it says: {}", line->substr(0, 200)));
  }
  co_return fail(ErrorKind::protocol, "it answers something else");
}

net::Task<net::PeerCertificate> look(net::Executor executor, const net::TlsClient& tls,
                                     const TlsPort& port, std::span<const Step> steps,
                                     const std::string& name) {
  const SteadyTime deadline = Clock::system().steady_now() + kPatience;
  CO_TRY(const auto stream, co_await net::connect(executor, port.address, deadline));
  for (const Step& step : steps) CO_TRY_OK(co_await take_step(*stream, step, deadline));
  CO_TRY_OK(co_await stream->start_tls(tls, name, deadline));
  auto shown = net::find_peer_certificate(*stream, name);
  (void)co_await stream->shut_down(Clock::system().steady_now() + 1s);
  if (!shown) co_return fail(ErrorKind::protocol, "it shows none");
  co_return *std::move(shown);
}

}  // namespace

std::string TlsPort::text() const {
  return fmt::format("{} {}", service, net::to_string(net::Address(address)));
}

std::vector<TlsPort> list_tls_ports(const config::Config& config) {
  std::vector<TlsPort> ports;
  for (const Service& service : kServices)
    for (const std::string& text : config.listen.*service.addresses) {
      const auto address = net::parse_address(text);
      const auto* tcp = address ? std::get_if<net::TcpAddress>(&*address) : nullptr;
      if (tcp == nullptr) continue;
      net::TcpAddress near = *tcp;
      if (near.host == "0.0.0.0") near.host = "127.0.0.1";
      if (near.host == "::") near.host = "::1";
      ports.push_back({std::string(service.name), std::move(near)});
    }
  return ports;
}

std::vector<Shown> look_at_ports(const std::vector<TlsPort>& ports,
                                 const std::vector<std::string>& names) {
  std::vector<Shown> all;
  const auto tls = net::TlsClient::make(net::TlsClient::Verify::none);
  if (!tls) return all;
  net::OwnLoop loop;
  for (const TlsPort& port : ports) {
    const auto* const service = std::ranges::find(kServices, port.service, &Service::name);
    const std::size_t most = is_loopback(port.address.host) ? kNamesMax : kFarNamesMax;
    for (std::size_t i = 0; i < std::min(names.size(), most); ++i) {
      auto seen = loop.run(look(loop.scope().executor(), **tls, port, service->steps, names[i]));
      if (!seen) {
        all.push_back({port, names[i], "", {}, seen.error().what});
        break;
      }
      all.push_back({port, names[i], std::move(seen->sha256), std::move(seen->names), ""});
    }
  }
  return all;
}

}  // namespace posthorn::tools
