#include "app/acme_world.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "process/sockets.h"

namespace posthorn::app {
namespace {

// The web role may only just be starting; who waits here holds up nobody.
constexpr auto kWebAnswersWithin = 60s;
constexpr auto kDnsAnswersWithin = 20s;
// RFC 6698 section 3: where TLSA records of a mail server's ports lie.
constexpr int kTlsaPorts[] = {25, 465, 587, 993, 443};

}  // namespace

AcmeWire::AcmeWire(net::Scope& scope, net::Resolver& resolver, const config::Config& config)
    : scope_(scope),
      http_(scope, &resolver,
            {.authority = config.acme.authority, .user_agent = "posthorn/" POSTHORN_VERSION}),
      stopped_(scope.executor()) {}

net::Task<net::HttpAnswer> AcmeWire::ask(net::HttpRequest request) {
  return http_.ask(std::move(request));
}

net::Awaitable<void> AcmeWire::wait(std::chrono::milliseconds time) {
  co_await stopped_.wait_for(time);
}

WallTime AcmeWire::now() const {
  return scope_.clock().now();
}

void AcmeWire::stop() {
  stopped_.close();
  http_.stop();
}

AcmeProver::AcmeProver(net::Scope& scope, const config::Config& config) {
  if (!config.listen.http.empty() || !config.listen.https.empty())
    web_ = std::make_unique<net::LineChannel>(scope, process::run_socket(config, "web-acme.sock"));
}

void AcmeProver::stop() {
  if (web_) web_->close();
}

net::Task<> AcmeProver::offer(acme::Proof proof) {
  if (!web_) co_return fail(ErrorKind::permanent, "neither listen.http nor listen.https is set");
  const auto answer = co_await web_->ask(net::Message("offer")
                                             .add("type", proof.type)
                                             .add("name", proof.name)
                                             .add("token", proof.token)
                                             .add("key_authorization", proof.key_authorization),
                                         kWebAnswersWithin);
  Result<> offered;
  if (!answer)
    offered = fail(answer.error().kind, "the web role does not answer: " + answer.error().what);
  else if (answer->verb != "ok")
    offered = fail(ErrorKind::permanent, std::string(answer->get("error")));
  if (!offered)
    log_.warn(event::acme_refused,
              {{"name", proof.name}, {"challenge", proof.type}, {"reason", offered.error().what}});
  co_return offered;
}

net::Awaitable<void> AcmeProver::forget(acme::Proof proof) {
  if (web_)
    (void)co_await web_->ask(
        net::Message("forget").add("name", proof.name).add("token", proof.token),
        kWebAnswersWithin);
}

net::Awaitable<acme::Addresses> look_up(net::Resolver& resolver, const Clock& clock,
                                        std::vector<std::string> names) {
  acme::Addresses addresses;
  for (const std::string& name : names) {
    auto found = co_await resolver.addresses(name, clock.steady_now() + kDnsAnswersWithin);
    addresses[name] = found ? std::optional(*std::move(found)) : std::nullopt;
  }
  co_return addresses;
}

net::Awaitable<std::optional<std::vector<acme::Tlsa>>> look_up_tlsa(
    net::Resolver& resolver, const Clock& clock, std::vector<std::string> names) {
  std::vector<acme::Tlsa> records;
  for (const std::string& name : names) {
    for (const int port : kTlsaPorts) {
      const auto found = co_await resolver.tlsa(fmt::format("_{}._tcp.{}", port, name),
                                                clock.steady_now() + kDnsAnswersWithin);
      if (!found) co_return std::nullopt;
      for (const net::TlsaRecord& record : found->records)
        records.push_back({.usage = static_cast<unsigned>(record.usage),
                           .selector = static_cast<unsigned>(record.selector),
                           .matching = static_cast<unsigned>(record.matching),
                           .data = record.data});
    }
  }
  co_return records;
}

Result<std::optional<acme::Binding>> read_binding(const config::Acme& settings) {
  if (settings.eab_key_id.empty() && settings.eab_key_file.empty()) return std::nullopt;
  const auto wrong = [](std::string what) { return fail(ErrorKind::config, std::move(what)); };
  if (settings.eab_key_id.empty() || settings.eab_key_file.empty())
    return wrong("acme.eab_key_id and acme.eab_key_file belong together; set both");
  TRY(const auto text, read_file(settings.eab_key_file, 10'000));
  if (!text)
    return wrong(fmt::format("acme.eab_key_file: there is no {}", settings.eab_key_file.native()));
  std::string_view key = trim(*text, " \t\r\n");
  while (key.ends_with('=')) key.remove_suffix(1);  // some give it with its padding
  const auto bytes = acme::decode_base64url(key);
  if (!bytes || bytes->empty())
    return wrong(fmt::format("{}: it holds no key in base64url, as the authority gives it",
                             settings.eab_key_file.native()));
  return acme::Binding{settings.eab_key_id, *bytes};
}

}  // namespace posthorn::app
