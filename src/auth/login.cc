#include "auth/login.h"

#include "auth/hand_over.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/metrics.h"

namespace posthorn::auth {
namespace {

constexpr int kBadMax = 10;
constexpr int kFailedMax = 5;
constexpr std::size_t kPiece = 4096;

}  // namespace

LoginConnection::LoginConnection(net::StreamPtr stream, const LoginSettings& settings,
                                 const LoginServices& services, const LoginWords& words)
    : stream_(std::move(stream)),
      settings_(settings),
      services_(services),
      words_(words),
      session_id_(make_session_id()),
      log_(log::Logger{}.with_session(session_id_)),
      in_(services.scope, *stream_,
          {.line_max = settings.line_max,
           .piece_max = kPiece,
           .say = [this](net::LineInput::LastWord word) { return say_last(word); }}) {}

net::Awaitable<void> LoginConnection::run(std::function<net::Task<>()> talk) {
  metrics::count(metric::sessions, words_.service);
  const metrics::Open open(metric::sessions_open, words_.service);
  login_deadline_ = services_.scope.after(settings_.login_timeout);
  stream_->identify(session_id_, "");
  log_.info(words_.connected, {{"address", stream_->peer().address}});
  Result<> ended;
  if (settings_.tls_start == net::TlsStart::at_once) ended = co_await handshake();
  deadline_ = std::min(login_deadline_, services_.scope.after(settings_.first_command_timeout));
  if (ended) ended = co_await talk();
  std::string reason(words_.ended);
  if (store_) {
    // What the client wished for, the store knows and logs.
    const bool is_client = co_await carry() == net::Side::client;
    reason = is_client ? "the client closed the connection" : "the session ended";
    store_.reset();
  }
  if (!ended && ended.error().kind == ErrorKind::timeout) {
    if (!has_spoken_) metrics::count(metric::limits_hit, "first_command");
    (void)co_await say(std::string(words_.timed_out));
  }
  (void)co_await stream_->shut_down(services_.scope.after(1s));
  log_.info(words_.closed, {{"address", stream_->peer().address},
                            {"reason", ended ? reason : ended.error().what}});
}

// Here, where all that the login needed has gone: sessions spend their days in this.
net::Awaitable<net::Side> LoginConnection::carry() {
  const net::Scope::Registration registration(services_.scope, *store_);
  co_return co_await net::splice(services_.scope, *stream_, *store_);
}

net::Task<> LoginConnection::say(std::string text) {
  if (text.empty()) co_return Result<>{};
  co_return co_await stream_->write(text, services_.scope.after(30s));
}

net::Awaitable<void> LoginConnection::say_last(net::LineInput::LastWord word) {
  (void)co_await say(std::string(
      word == net::LineInput::LastWord::stopping ? words_.stopping : words_.line_too_long));
}

net::Task<std::string> LoginConnection::read_line() {
  CO_TRY(std::string line, co_await in_.read_line(deadline_));
  has_spoken_ = true;
  deadline_ = login_deadline_;
  co_return line;
}

net::Task<std::string> LoginConnection::read_bytes(std::size_t count) {
  return in_.read_bytes(count, deadline_);
}

net::Task<> LoginConnection::handshake() {
  auto done = co_await stream_->start_tls(*services_.tls,
                                          services_.scope.after(settings_.handshake_timeout));
  if (done) co_return done;
  log_.info(event::tls_failed,
            {{"address", stream_->peer().address}, {"error", done.error().what}});
  // Also after a timeout: no goodbye can be said over half a handshake.
  co_return fail(ErrorKind::closed, "no TLS");
}

net::Task<> LoginConnection::start_tls(std::string go_ahead) {
  if (!in_.buffer().empty()) {
    // Bytes behind the command in the clear (CVE-2021-33515): whoever put them there must not be
    // answered inside TLS.
    log_.warn(words_.injection, {{"address", stream_->peer().address}});
    co_return fail(ErrorKind::protocol, "bytes ahead of the TLS handshake");
  }
  CO_TRY_OK(co_await say(std::move(go_ahead)));
  co_return co_await handshake();
}

net::Task<std::optional<std::string>> LoginConnection::ask(std::string challenge) {
  CO_TRY_OK(co_await say("+ " + challenge + "\r\n"));
  CO_TRY(std::string line, co_await read_line());
  co_return line;
}

net::Task<Exchanged> LoginConnection::exchange(SaslServer& sasl, SaslStep step) {
  co_return co_await finish_exchange(
      sasl, std::move(step), [this](const std::string& challenge) { return ask(challenge); });
}

net::Awaitable<LoginOutcome> LoginConnection::log_in(Credentials credentials, std::string mechanism,
                                                     std::string tag) {
  const auto verdict = co_await services_.authenticator.authenticate(
      {.service = std::string(words_.service),
       .mechanism = std::move(mechanism),
       .user = std::move(credentials.user),
       .authorization = std::move(credentials.authorization),
       .password = std::move(credentials.password),
       .address = stream_->peer().address,
       .session = session_id_,
       .tls = has_tls()});
  if (!verdict) {
    log_.warn(words_.unavailable, {{"reason", verdict.error().what}});
    co_return LoginOutcome::not_checked;
  }
  if (verdict->outcome != Verdict::Outcome::ok) {
    if (++failed_ < kFailedMax) co_return LoginOutcome::refused;
    over_ = true;
    co_return LoginOutcome::refused_last;
  }
  // From here on the store speaks; this role only carries bytes.
  stream_->identify(session_id_, verdict->account);
  const auto place = co_await services_.placement.find_address(verdict->account, words_.home);
  auto store = place ? co_await hand_over(services_.scope, in_.buffer(), *place,
                                          {.token = verdict->token,
                                           .session = session_id_,
                                           .service = std::string(words_.service),
                                           .tag = std::move(tag),
                                           .address = stream_->peer().address,
                                           .tls = has_tls()})
                     : std::unexpected(place.error());
  if (!store) {
    log_.warn(words_.unavailable, {{"reason", store.error().what}});
    co_return LoginOutcome::not_handed;
  }
  store_ = *std::move(store);
  over_ = true;
  co_return LoginOutcome::handed;
}

void LoginConnection::count_bad() {
  if (++bad_ >= kBadMax) over_ = true;
}

}  // namespace posthorn::auth
