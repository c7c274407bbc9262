#include "pop3/login/session.h"

#include <fmt/format.h>

#include "auth/hand_over.h"
#include "auth/proto/sasl.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "net/buffer.h"
#include "pop3/proto/command.h"

namespace posthorn::pop3 {
namespace {

constexpr int kBadMax = 10;
constexpr int kFailedMax = 5;
constexpr std::string_view kUseStls = "-ERR Use STLS first: no password is taken in the clear\r\n";

class Login {
 public:
  Login(net::StreamPtr stream, const LoginSettings& settings, const LoginServices& services)
      : stream_(std::move(stream)),
        settings_(settings),
        services_(services),
        session_id_(make_session_id()),
        log_(log::Logger{}.with_session(session_id_)),
        registration_(services.scope, *stream_, [this] {
          stopping_ = true;
          stream_->interrupt();
        }) {}

  net::Awaitable<void> run() {
    metrics::count(metric::sessions, "pop3");
    const metrics::Open open(metric::sessions_open, "pop3");
    deadline_ = Clock::system().steady_now() + settings_.login_timeout;
    stream_->identify(session_id_, "");
    log_.info(event::pop3_connected, {{"address", stream_->peer().address}});
    // RFC 1939 section 3: a session that takes too long is closed without a word.
    const auto ended = co_await talk();
    (void)co_await stream_->shut_down(Clock::system().steady_now() + 1s);
    log_.info(event::pop3_closed, {{"address", stream_->peer().address},
                                   {"reason", ended ? std::string("quit") : ended.error().what}});
  }

 private:
  net::Task<> say(std::string text) {
    co_return co_await stream_->write(text, Clock::system().steady_now() + 30s);
  }
  bool may_login() const { return stream_->tls() != nullptr || settings_.allow_plaintext; }

  net::Task<> handshake() {
    auto done = co_await stream_->start_tls(
        *services_.tls, Clock::system().steady_now() + settings_.handshake_timeout);
    if (done) co_return done;
    log_.info(event::tls_failed,
              {{"address", stream_->peer().address}, {"error", done.error().what}});
    co_return fail(ErrorKind::closed, "no TLS");
  }

  net::Task<> talk() {
    if (settings_.implicit_tls) CO_TRY_OK(co_await handshake());
    // Without "<…>" in it: APOP (RFC 1939 section 7) needs passwords kept in the clear.
    CO_TRY_OK(co_await say("+OK Posthorn ready.\r\n"));
    while (!over_) {
      CO_TRY(const std::string line, co_await read_line());
      const auto command = parse_command(line, State::authorization);
      CO_TRY_OK(command ? co_await answer(*command) : co_await bad(command.error().text));
    }
    co_return Result<>{};
  }

  // A line, at most line_max; longer ones end the session.
  net::Task<std::string> read_line() {
    while (true) {
      const auto line = in_.take_line();
      if (line && line->size() <= settings_.line_max) co_return std::string(*line);
      if (line || in_.data().size() > settings_.line_max) {
        (void)co_await say("-ERR Line too long\r\n");
        co_return fail(ErrorKind::protocol, "a line too long");
      }
      in_.release();
      if (in_.empty()) CO_TRY_OK(co_await wait_for_command());
      CO_TRY_OK(co_await in_.fill(*stream_, deadline_, 4096));
    }
  }

  net::Task<> wait_for_command() {
    while (true) {
      const auto ready = co_await stream_->wait_readable(deadline_);
      if (stopping_) {
        (void)co_await say("-ERR [SYS/TEMP] The server is stopping\r\n");
        co_return fail(ErrorKind::closed, "the server is stopping");
      }
      if (ready || ready.error().kind != ErrorKind::temporary) co_return ready;  // or interrupted
    }
  }

  net::Task<> bad(std::string_view text) {
    if (++bad_ >= kBadMax) {
      over_ = true;
      text = "Too many errors";
    }
    co_return co_await say(fmt::format("-ERR {}\r\n", text));
  }

  net::Task<> answer(const Command& command) {
    // RFC 1939 section 7: PASS may be given only at once behind a USER.
    const std::string user = std::exchange(user_, {});
    switch (command.verb) {
      case Verb::capa:
        co_return co_await say(capabilities());
      case Verb::quit:
        over_ = true;
        co_return co_await say("+OK Bye\r\n");
      case Verb::stls:
        co_return co_await stls();
      case Verb::utf8:
        // RFC 6856 section 2: messages and names are UTF-8 in any case; those who know only ASCII
        // are not refused what others sent them.
        co_return co_await say("+OK UTF8\r\n");
      case Verb::user:
        if (!may_login()) co_return co_await say(std::string(kUseStls));
        user_ = command.text;
        co_return co_await say("+OK Now the password\r\n");  // whoever it is
      case Verb::pass:
        if (!may_login()) co_return co_await say(std::string(kUseStls));
        if (user.empty()) co_return co_await bad("USER comes first");
        co_return co_await check({.authorization = {}, .user = user, .password = command.text},
                                 "USER");
      case Verb::auth:
        co_return co_await authenticate(command.text);
      case Verb::apop:
        co_return co_await bad("APOP is not offered");
      default:
        co_return co_await bad("Log in first");
    }
  }

  // RFC 2449 section 5. SASL and USER only where they are taken.
  std::string capabilities() const {
    std::string text =
        "+OK What this server can do\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
        "AUTH-RESP-CODE\r\nPIPELINING\r\nUTF8 USER\r\nEXPIRE NEVER\r\n";
    if (services_.tls != nullptr && stream_->tls() == nullptr) text += "STLS\r\n";
    if (may_login()) text += "USER\r\nSASL PLAIN LOGIN\r\n";
    return text + ".\r\n";
  }

  net::Task<> stls() {
    if (stream_->tls() != nullptr) co_return co_await bad("TLS is active already");
    if (services_.tls == nullptr) co_return co_await bad("TLS is not available");
    if (!in_.empty()) {
      // Bytes behind STLS in the clear (CVE-2021-33515): whoever put them there must not be
      // answered inside TLS.
      log_.warn(event::pop3_injection, {{"address", stream_->peer().address}});
      over_ = true;
      co_return fail(ErrorKind::protocol, "bytes behind STLS");
    }
    CO_TRY_OK(co_await say("+OK Begin TLS now\r\n"));
    co_return co_await handshake();
  }

  net::Task<> authenticate(std::string_view text) {
    // AUTH alone asks for the list (Outlook and others, from RFC 1734's time).
    if (text.empty())
      co_return co_await say(may_login() ? "+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n" : "+OK\r\n.\r\n");
    if (!may_login()) co_return co_await say(std::string(kUseStls));
    const std::size_t space = text.find(' ');
    auth::SaslServer sasl;
    auth::SaslStep step = space == std::string_view::npos
                              ? sasl.start(text, std::nullopt)
                              : sasl.start(text.substr(0, space), text.substr(space + 1));
    while (const auto* challenge = std::get_if<auth::Challenge>(&step)) {
      CO_TRY_OK(co_await say("+ " + challenge->line + "\r\n"));
      CO_TRY(const std::string line, co_await read_line());
      step = sasl.feed(line);
    }
    if (const auto* failure = std::get_if<auth::SaslFailure>(&step))
      co_return co_await bad(*failure == auth::SaslFailure::unknown_mechanism
                                 ? "Unknown mechanism"
                                 : "The exchange was cancelled or has a fault");
    co_return co_await check(std::get<auth::Credentials>(std::move(step)), sasl.mechanism());
  }

  net::Task<> check(auth::Credentials credentials, std::string mechanism) {
    const auto verdict = co_await services_.authenticator.authenticate(
        {.service = "pop3",
         .mechanism = std::move(mechanism),
         .user = std::move(credentials.user),
         .authorization = std::move(credentials.authorization),
         .password = std::move(credentials.password),
         .address = stream_->peer().address,
         .session = session_id_,
         .tls = stream_->tls() != nullptr});
    if (!verdict) {
      log_.warn(event::pop3_unavailable, {{"reason", verdict.error().what}});
      co_return co_await say("-ERR [SYS/TEMP] The login cannot be checked now\r\n");
    }
    if (verdict->outcome != auth::Verdict::Outcome::ok) {
      if (++failed_ >= kFailedMax) over_ = true;
      // RFC 3206 section 4: AUTH says that nothing but the credentials is wrong.
      co_return co_await say("-ERR [AUTH] The user name or the password is wrong\r\n");
    }
    co_return co_await hand_over(*verdict);
  }

  // From here on the store speaks; this role only carries bytes.
  net::Task<> hand_over(const auth::Verdict& verdict) {
    stream_->identify(session_id_, verdict.account);
    const auto carried = co_await auth::carry_session(services_.scope, *stream_, in_,
                                                      services_.store(verdict.account),
                                                      {.token = verdict.token,
                                                       .session = session_id_,
                                                       .service = "pop3",
                                                       .tag = {},
                                                       .address = stream_->peer().address,
                                                       .tls = stream_->tls() != nullptr});
    if (!carried) {
      log_.warn(event::pop3_unavailable, {{"reason", carried.error().what}});
      co_return co_await say("-ERR [SYS/TEMP] The mailbox cannot be reached now\r\n");
    }
    over_ = true;
    co_return Result<>{};
  }

  net::StreamPtr stream_;
  const LoginSettings& settings_;
  const LoginServices& services_;
  std::string session_id_;
  log::Logger log_;
  net::Scope::Registration registration_;
  net::InBuffer in_;
  SteadyTime deadline_{};
  std::string user_;
  bool over_ = false, stopping_ = false;
  int bad_ = 0, failed_ = 0;
};

}  // namespace

net::Awaitable<void> serve_login(net::StreamPtr stream, const LoginSettings& settings,
                                 const LoginServices& services) {
  Login login(std::move(stream), settings, services);
  co_await login.run();
}

}  // namespace posthorn::pop3
