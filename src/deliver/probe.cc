#include "deliver/probe.h"

#include <algorithm>
#include <fmt/format.h>

#include "deliver/secrets.h"
#include "deliver/transports.h"

namespace posthorn::deliver {
namespace {

// For one host, and for all of them together.
constexpr auto kHostTime = 40s, kWholeTime = 60s;

void hide_login(const std::string& user, const std::string& password, HostProbe& probe) {
  const Secrets secrets(user, password);
  for (std::string& line : probe.recording.lines) secrets.hide_in(line);
  secrets.hide_in(probe.reply.text);
  secrets.hide_in(probe.error.what);
}

}  // namespace

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::name:
      return "name";
    case Stage::connect:
      return "connect";
    case Stage::greeting:
      return "greeting";
    case Stage::start_tls:
      return "start_tls";
    case Stage::handshake:
      return "handshake";
    case Stage::login:
      return "login";
    case Stage::sender:
      return "sender";
    case Stage::recipient:
      return "recipient";
    case Stage::done:
      return "done";
  }
  return "";
}

std::string HostProbe::remote() const {
  return address.empty() ? fmt::format("{}:{}", name, port)
                         : fmt::format("{}[{}]:{}", name, address, port);
}

net::Awaitable<Probe> Transports::probe(route::Plan plan, message::Envelope envelope) {
  const auto* relay = std::get_if<route::RelayPlan>(&plan);
  Probe probe{.hosts = {},
              .tls = relay ? relay->tls : config_.relay.mx_tls,
              .has_login = relay && !relay->user.empty(),
              .is_relay = relay != nullptr};
  const auto add = [&](const Host& host) -> HostProbe& {
    HostProbe& one = probe.hosts.emplace_back();
    one.name = host.name;
    one.address = host.address;
    one.port = host.port;
    return one;
  };
  const auto nowhere = [&](const Outcome& outcome) {
    HostProbe& one = add({relay ? relay->host : std::get<route::MxPlan>(plan).domain, "",
                          relay ? relay->port : config_.relay.mx_port});
    one.reply = outcome.reply;
    one.error = {ErrorKind::temporary, outcome.reason};
  };
  auto way = co_await find_way(plan);
  if (!way || !*way) {
    nowhere(way ? way->error().outcome : Outcome{.reply = {}, .reason = way.error().what});
    co_return probe;
  }
  (*way)->whose = {.service = relay ? "relay" : "mx", .queue_id = "test", .sender = {}};
  const SteadyTime end = scope_.after(kWholeTime);
  co_await visit_hosts(
      **way,
      {.is_over =
           [&] {
             return std::ranges::any_of(probe.hosts, &HostProbe::is_done) ||
                    scope_.clock().steady_now() > end - kHostTime;
           },
       .pass_over =
           [&](const Host& host) {
             add(host).error = {ErrorKind::permanent, "not reachable from relay.source_address"};
             probe.hosts.back().stage = Stage::connect;
           },
       .try_host = [&](const Way& how,
                       const Host& host) { return probe_host(how, host, envelope, add(host)); }});
  co_return probe;
}

net::Awaitable<Transports::Tried> Transports::probe_host(const Way& way, const Host& host,
                                                         const message::Envelope& envelope,
                                                         HostProbe& probe) {
  Way recorded = way;
  recorded.recording = &probe.recording;
  probe.recording.until = scope_.after(kHostTime);
  probe.stage = Stage::connect;
  auto stream = co_await dial(recorded, host);
  if (!stream) {
    probe.error = stream.error();
    co_return Tried::failed;
  }
  smtp::Client client(*std::move(stream), client_options(Speech::smtp), scope_.clock());
  const net::Scope::Registration registration(scope_, client.stream());
  Reached reached;
  const auto ready = co_await prepare(client, way, host, reached);
  probe.stage = client.handshake_failed() ? Stage::handshake : reached.stage;
  probe.has_sent_login = reached.has_sent_login;
  probe.is_secure = client.is_secure();
  probe.reply = reached.reply;
  if (!ready)
    probe.error = ready.error();
  else if (!*ready)
    probe.error = {ErrorKind::temporary, ready->error().reason};
  const bool is_ready = ready && *ready;
  if (is_ready) co_await probe_envelope(client, envelope, probe);
  if (is_ready || probe.reply.code != 0) co_await client.quit();
  hide_login(way.user, way.password, probe);
  co_return is_ready ? Tried::done : why_not(client, reached);
}

net::Awaitable<void> Transports::probe_envelope(smtp::Client& client,
                                                const message::Envelope& envelope,
                                                HostProbe& probe) {
  probe.stage = Stage::done;
  if (envelope.recipients.empty()) co_return;
  const auto asked = co_await client.rehearse(envelope);
  const auto ended = [&](Stage stage, const smtp::Reply& reply) {
    probe.stage = stage;
    probe.reply = reply;
  };
  if (!asked) {
    probe.stage = Stage::sender;
    probe.error = asked.error();
  } else if (!asked->mail.is_done()) {
    ended(Stage::sender, asked->mail);
  } else if (asked->recipients.empty()) {
    probe.stage = Stage::recipient;
    probe.error = asked->broken.value_or(Error{ErrorKind::closed, "no reply to RCPT"});
  } else if (!asked->recipients.front().is_done()) {
    ended(Stage::recipient, asked->recipients.front());
  }
}

}  // namespace posthorn::deliver
