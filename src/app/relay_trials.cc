#include "app/relay_trials.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/next_hop.h"
#include "message/mailbox_address.h"

namespace posthorn::app {
namespace {

// An answer is one line (net::kLineMax).
constexpr std::size_t kAnswerMax = 50'000;

net::Message refused(std::string_view why) {
  return net::Message("refused").add("error", why);
}

std::string table_name(const config::Config& config) {
  const std::string& table = config.maps.relay_sasl;
  return table.starts_with("text:") ? "maps/" + table.substr(5) : table;
}

std::string name_of(const route::Plan& plan) {
  if (const auto* mx = std::get_if<route::MxPlan>(&plan)) return "MX of " + mx->domain;
  const auto& relay = std::get<route::RelayPlan>(plan);
  return relay.use_mx ? fmt::format("{}:{}", relay.host, relay.port)
                      : fmt::format("[{}]:{}", relay.host, relay.port);
}

std::string proof_of(const deliver::Probe& probe, const net::PeerCertificate& certificate) {
  if (certificate.fault == net::PeerCertificate::Fault::none)
    return "verified: its name and who issued it are right";
  return probe.tls == config::TlsPolicy::verify
             ? "not verified: " + certificate.reason
             : fmt::format("not verified, and relay.tls = \"{}\" does not ask for it: {}",
                           to_string(probe.tls), certificate.reason);
}

void add_host(net::Message& answer, const deliver::Probe& probe, const deliver::HostProbe& host,
              const deliver::Diagnosis& diagnosis) {
  answer.add("host", host.remote());
  std::size_t size = 0;
  for (const std::string& line : host.recording.lines)
    if ((size += line.size() + 8) < kAnswerMax / probe.hosts.size()) answer.add("line", line);
  if (host.recording.tls)
    answer.add("tls", host.recording.tls->version + " " + host.recording.tls->cipher);
  if (const auto& certificate = host.recording.certificate) {
    answer.add("names", fmt::format("{}", fmt::join(certificate->names, ", ")).substr(0, 2000))
        .add("issuer", certificate->issuer.substr(0, 500));
    answer.add("ends", format_log_time(certificate->not_after))
        .add("proof", proof_of(probe, *certificate));
  }
  answer.add("stage", to_string(host.stage))
      .add("cause", diagnosis.cause)
      .add("advice", diagnosis.text);
}

// Of all by which the plan came about the login's stands last.
std::string login_place(const route::RelayPlan* relay) {
  if (relay == nullptr || relay->user.empty()) return "";
  const std::size_t comma = relay->by.rfind(", ");
  return comma == std::string::npos ? relay->by : relay->by.substr(comma + 2);
}

}  // namespace

bool RelayTrials::is_asked(const net::Message& request) {
  return request.verb == "relays" || request.verb == "relay-test";
}

net::Awaitable<net::Message> RelayTrials::answer(net::Message request) {
  if (request.verb == "relays") co_return co_await list();
  if (is_busy_) co_return refused("another relay is being tested now");
  is_busy_ = true;
  auto answer = co_await test(std::move(request));
  is_busy_ = false;
  co_return answer;
}

net::Awaitable<net::Message> RelayTrials::list() {
  const auto hops = co_await directory_.hops();
  if (!hops) co_return net::Message("temporary").add("error", hops.error().what);
  net::Message answer("ok");
  answer.add("all", hops->are_all ? "1" : "0");
  for (const route::NamedHop& hop : hops->hops)
    answer.add("name", hop.name).add("place", hop.place);
  co_return answer;
}

// name: a next hop, or an address whose mail is meant: mail to it, or from it if it is ours.
net::Task<std::expected<route::Plan, std::string>> RelayTrials::find_plan(std::string name,
                                                                          std::string sender) {
  using Out = std::expected<route::Plan, std::string>;
  const auto refusal = [](const route::Refusal& why) {
    return Out(std::unexpected(fmt::format("{} {} {}", why.code, why.enhanced, why.text)));
  };
  if (name.find('@') == std::string::npos) {
    if (!config::parse_next_hop(name))
      co_return Out(
          std::unexpected(fmt::format("\"{}\" is no next hop; write [smtp.example.org]:587, as in "
                                      "relay.relayhost, or an address whose relay is meant",
                                      name)));
    CO_TRY(const auto hop, co_await directory_.hop(std::move(name), std::move(sender)));
    co_return hop ? Out(*hop) : refusal(hop.error());
  }
  CO_TRY(auto plan, co_await directory_.plan({.address = name, .sender = sender}));
  if (!plan) co_return refusal(plan.error());
  if (!std::holds_alternative<route::LocalPlan>(*plan)) co_return Out(*std::move(plan));
  // An address of ours: the way that its mail to others goes. No table knows this recipient.
  CO_TRY(plan, co_await directory_.plan(
                   {.address = "somebody@relay-test.invalid", .sender = std::move(name)}));
  if (!plan) co_return refusal(plan.error());
  if (std::holds_alternative<route::RelayPlan>(*plan)) co_return Out(*std::move(plan));
  co_return Out(std::unexpected(
      "mail of this address goes to others by their MX records, not by a relay; name a recipient "
      "to test those"));
}

net::Awaitable<net::Message> RelayTrials::test(net::Message request) {
  const std::string name(request.get("name")), to(request.get("to"));
  std::string from(request.get("from"));
  for (const std::string& address : {from, to})
    if (!address.empty() && !message::parse_mailbox_address(address))
      co_return refused(fmt::format("\"{}\" is no address", address));
  const auto plan = co_await find_plan(name, from);
  if (!plan) co_return net::Message("temporary").add("error", plan.error().what);
  if (!*plan) co_return refused(plan->error());
  if (from.empty())
    from = "postmaster@" + (config_.server.default_domain.empty() ? config_.server.hostname
                                                                  : config_.server.default_domain);
  message::Envelope envelope;
  if (!to.empty()) {
    envelope.sender = from;
    envelope.recipients.push_back({to, {}, {}});
  }
  const auto* relay = std::get_if<route::RelayPlan>(&**plan);
  const deliver::Surroundings around{.login_place = login_place(relay),
                                     .login_table = table_name(config_),
                                     .sender = envelope.sender,
                                     .has_trust_file = !config_.relay.trust_file.empty()};
  const deliver::Probe probe = co_await transports_.probe(**plan, std::move(envelope));
  net::Message hosts;
  // The last one was asked because the others did not do.
  deliver::Diagnosis last;
  for (const deliver::HostProbe& host : probe.hosts) {
    last = diagnose(probe, host, around);
    add_host(hosts, probe, host, last);
  }
  net::Message answer("ok");
  answer.add("relay", name_of(**plan))
      .add("login", login_place(relay))
      .add("verdict", to_string(last.verdict));
  std::ranges::move(hosts.fields, std::back_inserter(answer.fields));
  co_return answer;
}

}  // namespace posthorn::app
