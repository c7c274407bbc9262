#include "deliver/transports.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/events.h"
#include "base/metrics.h"
#include "deliver/dkim_signer.h"
#include "deliver/outcomes.h"
#include "deliver/secrets.h"
#include "deliver/wire_text.h"
#include "message/mailbox_address.h"

namespace posthorn::deliver {
namespace {

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
          .login_refused = false};
}

// A fault of our own, or a mail that may have been taken: another host is no way out of it.
Outcome not_elsewhere(Outcome outcome) {
  outcome.is_last_word = true;
  return outcome;
}

bool is_ipv6(const std::string& literal) {
  return literal.find(':') != std::string::npos;
}

}  // namespace

Transports::Transports(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
                       net::Resolver& resolver, std::unique_ptr<net::TlsClient> verifying,
                       std::unique_ptr<net::TlsClient> trusting, const net::Placement& placement)
    : scope_(scope),
      pool_(pool),
      config_(config),
      resolver_(resolver),
      verifying_(std::move(verifying)),
      trusting_(std::move(trusting)),
      placement_(placement) {}

Transports::Progress::Progress(std::size_t recipients) {
  attempted.outcomes.assign(recipients, deferred("no host could be reached"));
  for (std::size_t i = 0; i < recipients; ++i) open.push_back(i);
}

// outcomes: of those that are open, in order. What a server said of a deferral is worth more than
// that the next one could not be reached.
void Transports::Progress::take(const std::vector<Outcome>& outcomes) {
  std::vector<std::size_t> still_open;
  for (std::size_t n = 0; n < open.size() && n < outcomes.size(); ++n) {
    const Outcome& outcome = outcomes[n];
    Outcome& known = attempted.outcomes[open[n]];
    const bool is_deferred = outcome.kind == Outcome::Kind::deferred;
    const bool says_less = is_deferred && !outcome.is_last_word && outcome.reply.code == 0;
    if (!says_less || known.reply.code == 0 || known.kind == Outcome::Kind::failed) known = outcome;
    if (!is_deferred || outcome.is_last_word) continue;
    still_open.push_back(open[n]);
    put_off.emplace_back(open[n], outcome);
  }
  open = std::move(still_open);
}

void Transports::Progress::take_for_all(const Outcome& outcome, Then then) {
  const std::vector<std::size_t> all_open = open;
  take(std::vector<Outcome>(open.size(), outcome));
  if (then == Then::over || open.size() == all_open.size()) return;
  open = all_open;
  for (const std::size_t recipient : open) put_off.emplace_back(recipient, outcome);
}

std::string Transports::name_of(const Host& host) {
  return fmt::format("{}[{}]:{}", host.name, host.address, host.port);
}

smtp::ClientOptions Transports::client_options(Speech speech) const {
  return {.hostname = config_.server.hostname,
          .lmtp = speech == Speech::lmtp,
          .is_inner = speech == Speech::lmtp,
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
  envelope.declared_size = body.text_size();
  if (const auto* local = std::get_if<route::LocalPlan>(&plan))
    co_return co_await deliver_local(*local, envelope, body, std::move(whose));
  whose.service = std::holds_alternative<route::MxPlan>(plan) ? "mx" : "relay";
  co_return co_await deliver_remote(plan, envelope, body, whose);
}

net::Awaitable<Attempted> Transports::deliver_local(const route::LocalPlan& plan,
                                                    message::Envelope& envelope, const Body& body,
                                                    Whose whose) {
  const auto place = co_await placement_.find_address(plan.account, net::AccountService::lmtp);
  if (!place) co_return all(envelope, deferred(place.error().what));
  auto stream = co_await net::connect(scope_.executor(), *place, scope_.after(10s));
  if (!stream) co_return all(envelope, deferred(stream.error().what));
  if (watch_) stream = watch_(*std::move(stream), whose);
  envelope.origin.queue_id = body.queue_id;
  smtp::Client client(*std::move(stream), client_options(Speech::lmtp), scope_.clock());
  const net::Scope::Registration registration(scope_, client.stream());
  const auto opened = co_await client.open();
  if (!opened) co_return all(envelope, deferred(opened.error().what));
  if (!opened->is_positive()) co_return all(envelope, deferred(smtp::to_string(*opened)));
  Attempted attempted{.outcomes = co_await send(client, envelope, body, "local", Speech::lmtp),
                      .destination_down = false,
                      .login_refused = false};
  co_await client.quit();
  co_return attempted;
}

// The recipients' own hosts, then the fallbacks, for whoever is still deferred. RFC 5321 section
// 5.1: the next host is tried until a delivery attempt succeeds.
net::Awaitable<Attempted> Transports::deliver_remote(const route::Plan& plan,
                                                     message::Envelope& envelope, const Body& body,
                                                     Whose whose) {
  whose.session = envelope.origin.session;
  envelope.origin = {};  // nothing of our inside goes out
  Progress progress(envelope.recipients.size());
  const auto* mx = std::get_if<route::MxPlan>(&plan);
  const auto& fallbacks = mx ? mx->fallbacks : std::get<route::RelayPlan>(plan).fallbacks;
  for (std::size_t leg = 0; leg <= fallbacks.size() && !progress.open.empty(); ++leg) {
    const route::Plan next = leg == 0 ? plan : route::Plan(fallbacks[leg - 1]);
    auto way = co_await find_way(next);
    if (!way) {
      progress.take_for_all(deferred(way.error().what));
      continue;
    }
    if (!*way) {
      // That there is no such domain here may be known better there (Postfix's
      // smtp_fallback_relay); a domain's own word, or a loop, is one.
      const auto& [reason, outcome] = way->error();
      progress.take_for_all(outcome, reason == NoWay::Reason::no_such_domain && !fallbacks.empty()
                                         ? Progress::Then::next_hop
                                         : Progress::Then::over);
      continue;
    }
    (*way)->whose = whose;
    if (leg > 0) (*way)->whose.service = "relay";
    co_await try_way(**way, envelope, body, progress);
  }
  progress.attempted.destination_down = !progress.was_answered && !progress.open.empty();
  co_return std::move(progress.attempted);
}

// What came of a recipient in the end is told by the queue; that it was put off before, here.
void Transports::tell_passed_on(Progress& progress, const message::Envelope& envelope,
                                const Whose& whose) const {
  const log::Logger log = log_.with_queue(whose.queue_id).with_session(whose.session);
  for (const auto& [recipient, outcome] : std::exchange(progress.put_off, {}))
    log.info(event::queue_passed_on, {{"to", envelope.recipients[recipient].address},
                                      {"relay", outcome.remote.empty() ? "-" : outcome.remote},
                                      {"reply", outcome.reason}});
}

// What one host says of a recipient for good is not asked of another; who is deferred is.
net::Awaitable<void> Transports::try_way(const Way& way, const message::Envelope& envelope,
                                         const Body& body, Progress& progress) {
  const Visit visit{.is_over = [&] { return progress.open.empty(); },
                    .pass_over =
                        [&](const Host& host) {
                          progress.take_for_all(
                              deferred("not reachable from relay.source_address", name_of(host)));
                        },
                    .try_host =
                        [&](const Way& how, const Host& host) {
                          // A second try of the same host, without TLS, passes nobody on.
                          if (how.tls == way.tls) tell_passed_on(progress, envelope, way.whose);
                          return try_host(how, host, envelope, body, progress);
                        }};
  co_await visit_hosts(way, visit);
}

net::Awaitable<void> Transports::visit_hosts(const Way& way, const Visit& visit) {
  std::size_t asked = 0, sessions = 0;
  for (const Host& host : way.hosts) {
    if (visit.is_over() || asked >= config_.relay.addresses_max ||
        sessions >= config_.relay.sessions_max)
      break;
    const std::string& source = config_.relay.source_address;
    if (!source.empty() && is_ipv6(source) != is_ipv6(host.address)) {
      visit.pass_over(host);
      continue;
    }
    ++asked;
    Tried outcome = co_await visit.try_host(way, host);
    if (outcome == Tried::no_tls && way.tls == config::TlsPolicy::may && way.user.empty()) {
      // RFC 7435: TLS that nobody asked for and that fails is no reason to keep the mail.
      Way plain = way;
      plain.tls = config::TlsPolicy::none;
      outcome = co_await visit.try_host(plain, host);
    }
    if (outcome == Tried::done) ++sessions;
    if (outcome == Tried::no_login) break;  // the same on each host
  }
}

net::Task<net::StreamPtr> Transports::dial(const Way& way, const Host& host) {
  CO_TRY(auto stream,
         co_await net::connect(scope_.executor(), net::TcpAddress{host.address, host.port},
                               scope_.after(config_.relay.connect_timeout),
                               config_.relay.source_address));
  if (way.recording != nullptr) stream = tap::record_client(std::move(stream), *way.recording);
  if (watch_) stream = watch_(std::move(stream), way.whose);
  co_return stream;
}

// Connection, greeting, TLS, login: where they fail the next host may do better, and nothing
// bounces.
net::Awaitable<Transports::Tried> Transports::try_host(const Way& way, const Host& host,
                                                       const message::Envelope& envelope,
                                                       const Body& body, Progress& progress) {
  const std::string remote = name_of(host);
  const Secrets secrets(way.user, way.password);
  const auto hide = [&](Outcome& outcome) {
    secrets.hide_in(outcome.reason);
    secrets.hide_in(outcome.reply.text);
  };
  const auto failed_with = [&](Outcome outcome) {
    outcome.kind = Outcome::Kind::deferred;
    hide(outcome);
    progress.take_for_all(outcome);
  };
  auto stream = co_await dial(way, host);
  if (!stream) {
    failed_with(deferred(stream.error().what, remote));
    co_return Tried::failed;
  }
  smtp::Client client(*std::move(stream), client_options(Speech::smtp), scope_.clock());
  const net::Scope::Registration registration(scope_, client.stream());
  Reached reached;
  const auto ready = co_await prepare(client, way, host, reached);
  progress.attempted.login_refused |= reached.is_login_refused;
  if (!ready || !*ready) {
    failed_with(ready ? ready->error() : deferred(ready.error().what, remote));
    co_return why_not(client, reached);
  }
  message::Envelope mine = envelope;
  mine.recipients.clear();
  for (const std::size_t i : progress.open) mine.recipients.push_back(envelope.recipients[i]);
  auto outcomes = co_await send(client, mine, body, remote, Speech::smtp);
  for (Outcome& outcome : outcomes) {
    outcome.takes_notices = client.extensions().dsn;
    if (const auto* tls = client.stream().tls()) outcome.tls = tls->version;
    hide(outcome);
  }
  progress.was_answered = true;
  progress.take(outcomes);
  co_await client.quit();
  co_return Tried::done;
}

Transports::Tried Transports::why_not(const smtp::Client& client, const Reached& reached) {
  return reached.is_login_refused    ? Tried::no_login
         : client.handshake_failed() ? Tried::no_tls
                                     : Tried::failed;
}

net::Task<std::expected<void, Outcome>> Transports::prepare(smtp::Client& client, const Way& way,
                                                            const Host& host, Reached& reached) {
  using Out = std::expected<void, Outcome>;
  const std::string remote = name_of(host);
  const auto refused = [&](const smtp::Reply& reply) {
    reached.reply = reply;
    return Out(std::unexpected(judge(reply, remote)));
  };
  CO_TRY(auto opened, co_await client.open());
  if (!opened.is_done()) co_return refused(opened);
  const bool required =
      way.tls == config::TlsPolicy::verify || way.tls == config::TlsPolicy::encrypt;
  reached.stage = Stage::start_tls;
  if (way.tls != config::TlsPolicy::none && client.extensions().starttls) {
    const net::TlsClient& tls = way.tls == config::TlsPolicy::verify ? *verifying_ : *trusting_;
    CO_TRY(opened, co_await client.start_tls(tls, host.name));
    // Refused, and the dialog goes on as it was: then without, where that is allowed.
    const bool goes_on = !required && !client.is_secure() && opened.code != 421;
    if (!opened.is_done() && !goes_on) co_return refused(opened);
  }
  if (required && !client.is_secure())
    co_return Out(
        std::unexpected(deferred("TLS is required and the server does not offer it", remote)));
  if (way.user.empty()) co_return Out{};
  // Whoever strips STARTTLS from the reply must not be given the password.
  if (way.tls != config::TlsPolicy::none && !client.is_secure())
    co_return Out(std::unexpected(deferred("the login needs TLS, which is not offered", remote)));
  reached.stage = Stage::login;
  reached.has_sent_login = client.extensions().auth_plain || client.extensions().auth_login;
  CO_TRY(const auto reply, co_await client.login(way.user, way.password));
  if (reply.is_done()) co_return Out{};
  reached.reply = reply;
  // Wrong credentials are ours to mend: nothing bounces because of them.
  reached.is_login_refused = reply.is_permanent();
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
  if (!plan) co_return std::unexpected(not_elsewhere(deferred(plan.error().what, remote)));
  if (needs_ascii_header && plan->has_eight_bit_header)
    co_return std::unexpected(
        failed({550, "5.6.7", "The next server does not take a header in UTF-8"}, remote));
  if (wanted.seven_bit && plan->has_signed_part &&
      config_.relay.signed_eight_bit == config::SignedEightBit::bounce)
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
      [&] { return make_dkim_signatures(config_.dkim, body, plan, scope_.clock().now()); });
  if (!made) co_return std::unexpected(deferred(made.error().what, remote));
  const log::Logger log = log_.with_queue(body.queue_id);
  for (const std::string& fault : made->faults)
    log.error(event::dkim_failed, {{"domain", made->domain}, {"error", fault}});
  if (!made->faults.empty()) {
    metrics::count(metric::dkim_messages, "failed");
    if (config_.dkim.when_broken == config::WhenBroken::wait)
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
                                                      const std::string& remote, Speech speech) {
  const std::size_t count = envelope.recipients.size();
  message::RefitPlan plan;
  if (speech == Speech::smtp) {
    auto fitted = co_await fit(client.extensions(), envelope, body, remote);
    if (!fitted) co_return std::vector<Outcome>(count, fitted.error());
    plan = *std::move(fitted);
  }
  const auto signatures = co_await sign(body, plan, remote);
  if (!signatures) co_return std::vector<Outcome>(count, not_elsewhere(signatures.error()));
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
    // But not to another host at once, which would make a second copy of what may be there.
    for_accepted(
        not_elsewhere(deferred(fmt::format("outcome unknown: {}", replies.error().what), remote)));
    co_return outcomes;
  }
  std::size_t next = 0;
  for (Outcome& one : outcomes) {
    if (one.kind != Outcome::Kind::delivered) continue;
    const std::size_t mine = speech == Speech::lmtp ? next++ : 0;
    one = mine < replies->size() ? judge((*replies)[mine], remote)
                                 : deferred("outcome unknown: the replies broke off", remote);
    // What is no refusal may be anything, and be said of a mail that was taken.
    if (one.kind == Outcome::Kind::deferred && !one.reply.is_transient())
      one = not_elsewhere(std::move(one));
  }
  co_return outcomes;
}

}  // namespace posthorn::deliver
