#include "deliver/transports.h"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/events.h"
#include "base/metrics.h"
#include "deliver/dkim_signer.h"
#include "deliver/wire_text.h"
#include "message/mailbox_address.h"

namespace posthorn::deliver {
namespace {

Outcome deferred(std::string reason, std::string remote = {}) {
  return {.kind = Outcome::Kind::deferred,
          .reply = {},
          .reason = std::move(reason),
          .remote = std::move(remote)};
}

Outcome failed(smtp::Reply reply, std::string remote = {}) {
  return {.kind = Outcome::Kind::failed,
          .reply = reply,
          .reason = smtp::to_string(reply),
          .remote = std::move(remote)};
}

Outcome judge(const smtp::Reply& reply, const std::string& remote) {
  Outcome outcome{.kind = Outcome::Kind::deferred,
                  .reply = reply,
                  .reason = smtp::to_string(reply),
                  .remote = remote};
  if (reply.code >= 200 && reply.code < 300)
    outcome.kind = Outcome::Kind::delivered;
  else if (reply.is_permanent())
    outcome.kind = Outcome::Kind::failed;
  return outcome;
}

Attempted all(const message::Envelope& envelope, const Outcome& outcome) {
  return {.outcomes = std::vector<Outcome>(envelope.recipients.size(), outcome),
          .destination_down = false,
          .login_refused = false,
          .takes_notices = false};
}

// Addresses that an MX of a stranger must not send us to: this host, this network, nowhere.
bool is_private(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    const std::uint32_t a = ntohl(v4.s_addr);
    return (a >> 24U) == 127 || (a >> 24U) == 10 || (a >> 24U) == 0 || (a >> 20U) == 0xAC1 ||
           (a >> 16U) == 0xC0A8 || (a >> 16U) == 0xA9FE || (a >> 28U) >= 0xE ||
           (a >> 22U) == 0x191;  // 100.64.0.0/10
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return true;
  return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) ||
         IN6_IS_ADDR_SITELOCAL(&v6) || IN6_IS_ADDR_MULTICAST(&v6) || IN6_IS_ADDR_V4MAPPED(&v6) ||
         (v6.s6_addr[0] & 0xFEU) == 0xFC;
}

bool is_ipv6(const std::string& literal) {
  return literal.find(':') != std::string::npos;
}

bool is_literal(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

}  // namespace

Transports::Transports(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
                       net::Resolver& resolver, std::unique_ptr<net::TlsClient> verifying,
                       std::unique_ptr<net::TlsClient> trusting,
                       std::function<net::Address(const std::string&)> store_address)
    : scope_(scope),
      pool_(pool),
      config_(config),
      resolver_(resolver),
      verifying_(std::move(verifying)),
      trusting_(std::move(trusting)),
      store_address_(std::move(store_address)) {}

smtp::ClientOptions Transports::client_options(bool lmtp) const {
  return {.hostname = config_.server.hostname,
          .lmtp = lmtp,
          .command_timeout = config_.relay.command_timeout,
          .data_timeout = config_.relay.data_timeout};
}

net::Awaitable<Attempted> Transports::attempt(route::Plan plan, message::Envelope envelope,
                                              Body body, std::string queue_id) {
  body.queue_id = queue_id;
  Whose whose{.service = "lmtp",
              .queue_id = std::move(queue_id),
              .sender = message::to_lower(
                  envelope.origin.account.empty() ? envelope.sender : envelope.origin.account)};
  envelope.declared_size = body.size + body.prefix.size();
  if (const auto* local = std::get_if<route::LocalPlan>(&plan))
    co_return co_await deliver_local(*local, envelope, body, std::move(whose));
  auto way = co_await find_way(plan);
  if (!way) {
    Attempted attempted = all(envelope, deferred(way.error().what));
    attempted.destination_down = true;
    co_return attempted;
  }
  if (!*way) co_return all(envelope, way->error());
  whose.service = std::holds_alternative<route::MxPlan>(plan) ? "mx" : "relay";
  (*way)->whose = std::move(whose);
  co_return co_await deliver_remote(**way, envelope, body);
}

net::Awaitable<Attempted> Transports::deliver_local(const route::LocalPlan& plan,
                                                    message::Envelope& envelope, const Body& body,
                                                    Whose whose) {
  auto stream = co_await net::connect(scope_.executor(), store_address_(plan.account),
                                      Clock::system().steady_now() + 10s);
  if (!stream) co_return all(envelope, deferred(stream.error().what));
  if (watch_) stream = watch_(*std::move(stream), whose);
  smtp::Client client(*std::move(stream), client_options(true));
  const net::Scope::Registration registration(scope_, client.stream());
  const auto opened = co_await client.open();
  if (!opened) co_return all(envelope, deferred(opened.error().what));
  if (!opened->is_positive()) co_return all(envelope, deferred(smtp::to_string(*opened)));
  Attempted attempted{.outcomes = co_await send(client, envelope, body, "local", true),
                      .destination_down = false,
                      .login_refused = false,
                      .takes_notices = false};
  co_await client.quit();
  co_return attempted;
}

net::Task<std::expected<Transports::Way, Outcome>> Transports::find_way(const route::Plan& plan) {
  using Out = std::expected<Way, Outcome>;
  if (const auto* mx = std::get_if<route::MxPlan>(&plan)) {
    CO_TRY(auto hosts, co_await mx_hosts(mx->domain, config_.relay.mx_port));
    if (!hosts) co_return Out(std::unexpected(hosts.error()));
    co_return Out(Way{*std::move(hosts), config_.relay.mx_tls, "", ""});
  }
  const auto& relay = std::get<route::RelayPlan>(plan);
  Way way{{}, relay.tls, relay.user, relay.password};
  if (relay.use_mx && !is_literal(relay.host)) {
    CO_TRY(const auto answer,
           co_await resolver_.mx(relay.host, Clock::system().steady_now() + 30s));
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
net::Task<std::expected<std::vector<Transports::Host>, Outcome>> Transports::mx_hosts(
    std::string domain, std::uint16_t port) {
  using Out = std::expected<std::vector<Host>, Outcome>;
  if (domain.starts_with('[') && domain.ends_with(']')) {
    std::string literal = domain.substr(1, domain.size() - 2);
    if (literal.starts_with("IPv6:") || literal.starts_with("ipv6:")) literal = literal.substr(5);
    if (!is_literal(literal))
      co_return Out(std::unexpected(failed({550, "5.1.2", "The address literal has a fault"})));
    if (is_private(literal) && !config_.relay.private_mx)
      co_return Out(
          std::unexpected(failed({550, "5.1.2", "A private address is not delivered to"})));
    co_return Out(std::vector<Host>{{literal, literal, port}});
  }
  CO_TRY(auto answer, co_await resolver_.mx(domain, Clock::system().steady_now() + 30s));
  std::vector<net::MxRecord>& records = answer.records;
  const bool implicit = records.empty();
  if (implicit) records.push_back({0, message::to_lower(domain)});
  // RFC 7505: it stands alone; beside others it is a mistake that is passed over.
  if (records.size() == 1 && records.front().host.empty())
    co_return Out(std::unexpected(
        failed({556, "5.1.10", fmt::format("{} takes no mail (null MX)", domain)})));
  std::erase_if(records, [](const net::MxRecord& record) { return record.host.empty(); });
  // RFC 5321 section 5.1: hosts no better than ourselves would send it back to us.
  const auto self =
      std::ranges::find(records, message::to_lower(config_.server.hostname), &net::MxRecord::host);
  if (self != records.end()) {
    const int own = self->preference;
    std::erase_if(records, [own](const auto& record) { return record.preference >= own; });
    if (records.empty())
      co_return Out(std::unexpected(failed(
          {550, "5.4.6", fmt::format("The mail for {} comes back to this server", domain)})));
  }
  auto [hosts, unknown] = co_await addresses_of(records, port);
  if (hosts.empty() && unknown) co_return std::unexpected(*unknown);
  if (hosts.empty() && implicit)
    co_return Out(std::unexpected(
        failed({550, "5.1.2", fmt::format("{} has neither MX nor address", domain)})));
  if (hosts.empty())
    co_return fail(ErrorKind::temporary, fmt::format("no MX host of {} has an address", domain));
  if (!config_.relay.private_mx) {
    std::erase_if(hosts, [](const Host& host) { return is_private(host.address); });
    if (hosts.empty() && unknown) co_return std::unexpected(*unknown);
    if (hosts.empty())
      co_return Out(std::unexpected(failed(
          {550, "5.4.4", fmt::format("All MX hosts of {} have private addresses", domain)})));
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
  CO_TRY(const auto addresses,
         co_await resolver_.addresses(name, Clock::system().steady_now() + 30s));
  for (const std::string& address : addresses) hosts.push_back({name, address, port});
  co_return hosts;
}

net::Awaitable<Attempted> Transports::deliver_remote(const Way& way, message::Envelope& envelope,
                                                     const Body& body) {
  envelope.origin = {};  // nothing of our inside goes out
  Attempted attempted = all(envelope, deferred("no host could be reached"));
  std::size_t tried = 0;
  for (const Host& host : way.hosts) {
    if (++tried > 10) break;
    Tried outcome = co_await try_host(way, host, envelope, body, attempted);
    if (outcome == Tried::no_tls && way.tls == "may" && way.user.empty()) {
      // RFC 7435: TLS that nobody asked for and that fails is no reason to keep the mail.
      Way plain = way;
      plain.tls = "none";
      outcome = co_await try_host(plain, host, envelope, body, attempted);
    }
    if (outcome == Tried::done) co_return attempted;
    if (attempted.login_refused) break;  // the same on each host
  }
  attempted.destination_down = true;
  co_return attempted;
}

// Connection, greeting, TLS, login: where they fail the next host may do better, and nothing
// bounces.
net::Awaitable<Transports::Tried> Transports::try_host(const Way& way, const Host& host,
                                                       message::Envelope& envelope,
                                                       const Body& body, Attempted& attempted) {
  const std::string remote = fmt::format("{}[{}]:{}", host.name, host.address, host.port);
  const auto failed_with = [&](Outcome outcome) {
    outcome.kind = Outcome::Kind::deferred;
    attempted.outcomes.assign(envelope.recipients.size(), outcome);
  };
  const std::string& source = config_.relay.source_address;
  if (!source.empty() && is_ipv6(source) != is_ipv6(host.address)) {
    failed_with(deferred("not reachable from relay.source_address", remote));
    co_return Tried::failed;
  }
  auto stream =
      co_await net::connect(scope_.executor(), net::TcpAddress{host.address, host.port},
                            Clock::system().steady_now() + config_.relay.connect_timeout, source);
  if (!stream) {
    failed_with(deferred(stream.error().what, remote));
    co_return Tried::failed;
  }
  if (watch_) stream = watch_(*std::move(stream), way.whose);
  smtp::Client client(*std::move(stream), client_options(false));
  const net::Scope::Registration registration(scope_, client.stream());
  const auto ready = co_await prepare(client, way, host, attempted);
  if (!ready || !*ready) {
    failed_with(ready ? ready->error() : deferred(ready.error().what, remote));
    co_return client.handshake_failed() ? Tried::no_tls : Tried::failed;
  }
  attempted.takes_notices = client.extensions().dsn;
  attempted.outcomes = co_await send(client, envelope, body, remote, false);
  co_await client.quit();
  co_return Tried::done;
}

net::Task<std::expected<void, Outcome>> Transports::prepare(smtp::Client& client, const Way& way,
                                                            const Host& host,
                                                            Attempted& attempted) {
  using Out = std::expected<void, Outcome>;
  const std::string remote = fmt::format("{}[{}]:{}", host.name, host.address, host.port);
  CO_TRY(auto opened, co_await client.open());
  if (!opened.is_done()) co_return Out(std::unexpected(judge(opened, remote)));
  const bool required = way.tls == "verify" || way.tls == "encrypt";
  if (way.tls != "none" && client.extensions().starttls) {
    const net::TlsClient& tls = way.tls == "verify" ? *verifying_ : *trusting_;
    CO_TRY(opened, co_await client.start_tls(tls, host.name));
    // Refused, and the dialog goes on as it was: then without, where that is allowed.
    const bool goes_on = !required && !client.is_secure() && opened.code != 421;
    if (!opened.is_done() && !goes_on) co_return Out(std::unexpected(judge(opened, remote)));
  }
  if (required && !client.is_secure())
    co_return Out(
        std::unexpected(deferred("TLS is required and the server does not offer it", remote)));
  if (way.user.empty()) co_return Out{};
  // Whoever strips STARTTLS from the reply must not be given the password.
  if (way.tls != "none" && !client.is_secure())
    co_return Out(std::unexpected(deferred("the login needs TLS, which is not offered", remote)));
  CO_TRY(const auto reply, co_await client.login(way.user, way.password));
  if (reply.is_done()) co_return Out{};
  // Wrong credentials are ours to mend: nothing bounces because of them.
  attempted.login_refused = reply.is_permanent();
  co_return Out(std::unexpected(
      deferred(fmt::format("the login was refused: {}", smtp::to_string(reply)), remote)));
}

// RFC 6152 section 3, RFC 6531 section 3.5: what a server that offers less can be sent. RFC 5322
// section 2.1.1: what our users write in longer lines is mended before it is signed; a stranger's
// mail goes as it is, and back where the next server says so.
net::Awaitable<std::expected<message::RefitPlan, Outcome>> Transports::fit(
    const smtp::Extensions& offered, message::Envelope& envelope, const Body& body,
    const std::string& remote) {
  const bool may_convert = !config_.relay.disable_mime_output_conversion;
  const message::Fit wanted{.seven_bit = may_convert && !offered.eight_bit,
                            .short_lines = may_convert && body.is_ours};
  const bool needs_ascii_header = envelope.smtputf8 && !offered.smtputf8;
  if (!wanted.seven_bit && !wanted.short_lines && !needs_ascii_header)
    co_return message::RefitPlan{};
  auto plan = co_await pool_.run([&] {
    return plan_refit(body, wanted,
                      needs_ascii_header ? EightBitHeader::told : EightBitHeader::of_no_interest);
  });
  if (!plan) co_return std::unexpected(deferred(plan.error().what, remote));
  if (needs_ascii_header && plan->has_eight_bit_header)
    co_return std::unexpected(
        failed({550, "5.6.7", "The next server does not take a header in UTF-8"}, remote));
  if (wanted.seven_bit && plan->has_signed_part && config_.relay.signed_eight_bit == "bounce")
    co_return std::unexpected(failed(
        {554, "5.6.3", "The next server does not take 8-bit mail, and a signed part must stay"},
        remote));
  if (plan->is_changed) envelope.declared_size = 0;  // not known before it was sent
  co_return *std::move(plan);
}

// Ours is signed as it is sent. The fields to put on top of it; an Outcome: it waits.
net::Awaitable<std::expected<std::string, Outcome>> Transports::sign(const Body& body,
                                                                     const message::RefitPlan& plan,
                                                                     const std::string& remote) {
  if (!body.is_ours || !config_.dkim.sign) co_return std::string();
  auto made = co_await pool_.run(
      [&] { return make_dkim_signatures(config_.dkim, body, plan, Clock::system().now()); });
  if (!made) co_return std::unexpected(deferred(made.error().what, remote));
  const log::Logger log = log_.with_queue(body.queue_id);
  for (const std::string& fault : made->faults)
    log.error(event::dkim_failed, {{"domain", made->domain}, {"error", fault}});
  if (!made->faults.empty()) {
    metrics::count(metric::dkim_messages, "failed");
    if (config_.dkim.when_broken == "wait")
      co_return std::unexpected(deferred("a DKIM key cannot be used", remote));
  }
  if (!made->fields.empty()) {
    metrics::count(metric::dkim_messages, "signed");
    log.info(event::dkim_signed, {{"domain", made->domain}, {"selectors", made->selectors}});
  }
  co_return std::move(made->fields);
}

net::Task<> Transports::send_body(smtp::Client& client, const Body& body,
                                  const message::RefitPlan& plan) {
  WireText text(body, plan);
  while (!text.is_at_end()) {
    CO_TRY(const auto piece, co_await pool_.run([&] { return text.next(); }));
    CO_TRY_OK(co_await client.write(piece));
  }
  co_return Result<>{};
}

net::Awaitable<std::vector<Outcome>> Transports::send(smtp::Client& client,
                                                      message::Envelope& envelope, const Body& body,
                                                      const std::string& remote, bool lmtp) {
  const std::size_t count = envelope.recipients.size();
  message::RefitPlan plan;
  if (!lmtp) {
    auto fitted = co_await fit(client.extensions(), envelope, body, remote);
    if (!fitted) co_return std::vector<Outcome>(count, fitted.error());
    plan = *std::move(fitted);
  }
  const auto signatures = co_await sign(body, plan, remote);
  if (!signatures) co_return std::vector<Outcome>(count, signatures.error());
  if (envelope.declared_size > 0) envelope.declared_size += signatures->size();
  const auto begun = co_await client.begin(envelope);
  if (!begun || begun->broken) client.stream().close();
  if (!begun) co_return std::vector<Outcome>(count, deferred(begun.error().what, remote));
  if (!begun->mail.is_done()) co_return std::vector<Outcome>(count, judge(begun->mail, remote));
  std::vector<Outcome> outcomes;
  for (const smtp::Reply& reply : begun->recipients) outcomes.push_back(judge(reply, remote));
  const std::string broken = begun->broken ? begun->broken->what : "the server stopped answering";
  outcomes.resize(count, deferred(broken, remote));
  const auto for_accepted = [&](const Outcome& outcome) {
    for (Outcome& one : outcomes)
      if (one.kind == Outcome::Kind::delivered) one = outcome;
  };
  if (begun->data.code != 354) {
    // Nothing was sent, so nothing was taken, whatever the reply says.
    Outcome refused = begun->data.code == 0 ? deferred(broken, remote) : judge(begun->data, remote);
    if (refused.kind == Outcome::Kind::delivered) refused.kind = Outcome::Kind::deferred;
    for_accepted(refused);
    co_return outcomes;
  }
  auto sent = co_await client.write(*signatures);
  if (sent) sent = co_await send_body(client, body, plan);
  if (!sent) {
    Outcome outcome = deferred(sent.error().what, remote);
    if (sent.error().kind == ErrorKind::closed) {
      // Some say "552 too big" as soon as they know, and go.
      const auto said = co_await client.last_words();
      if (said && (said->is_transient() || said->is_permanent())) outcome = judge(*said, remote);
    }
    client.stream().close();  // a message cut short must not be ended by us
    for_accepted(outcome);
    co_return outcomes;
  }
  const auto replies = co_await client.finish();
  if (!replies) {
    client.stream().close();
    // The end was sent and its reply lost: whether it was taken nobody knows, so it is sent again.
    for_accepted(deferred(fmt::format("outcome unknown: {}", replies.error().what), remote));
    co_return outcomes;
  }
  std::size_t next = 0;
  for (Outcome& one : outcomes) {
    if (one.kind != Outcome::Kind::delivered) continue;
    const std::size_t mine = lmtp ? next++ : 0;
    one = mine < replies->size() ? judge((*replies)[mine], remote)
                                 : deferred("outcome unknown: the replies broke off", remote);
  }
  co_return outcomes;
}

}  // namespace posthorn::deliver
