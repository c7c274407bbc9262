#include "imap/login/session.h"

#include <fmt/format.h>

#include "auth/hand_over.h"
#include "auth/proto/sasl.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "imap/proto/parser.h"
#include "net/buffer.h"

namespace posthorn::imap {
namespace {

constexpr std::uint64_t kLiteralMax = 4096;
constexpr int kBadMax = 10;
constexpr int kFailedMax = 5;

class Login {
 public:
  Login(net::StreamPtr stream, const LoginSettings& settings, const LoginServices& services)
      : stream_(std::move(stream)),
        settings_(settings),
        services_(services),
        session_id_(make_session_id()),
        log_(log::Logger{}.with_session(session_id_)),
        registration_(services.scope, *stream_, [this] { stopping_ = true; }) {}

  net::Awaitable<void> run() {
    metrics::count(metric::sessions, "imap");
    const metrics::Open open(metric::sessions_open, "imap");
    deadline_ = Clock::system().steady_now() + settings_.login_timeout;
    log_.info(event::imap_connected, {{"address", stream_->peer().address}});
    stream_->identify(session_id_, "");
    const auto ended = co_await talk();
    if (!ended && ended.error().kind == ErrorKind::timeout)
      (void)co_await say("* BYE Autologout; log in sooner\r\n");
    (void)co_await stream_->shut_down(Clock::system().steady_now() + 1s);
    log_.info(event::imap_closed, {{"address", stream_->peer().address},
                                   {"reason", ended ? std::string("logout") : ended.error().what}});
  }

 private:
  net::Task<> say(std::string text) {
    co_return co_await stream_->write(text, Clock::system().steady_now() + 30s);
  }
  bool may_login() const { return stream_->tls() != nullptr || settings_.allow_plaintext; }

  std::string capabilities() const {
    std::string text = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE";
    if (services_.tls != nullptr && stream_->tls() == nullptr) text += " STARTTLS";
    text += may_login() ? " AUTH=PLAIN AUTH=LOGIN" : " LOGINDISABLED";
    return text;
  }

  net::Task<> handshake() {
    auto done = co_await stream_->start_tls(
        *services_.tls, Clock::system().steady_now() + settings_.handshake_timeout);
    if (done) co_return done;
    log_.info(event::tls_failed,
              {{"address", stream_->peer().address}, {"error", done.error().what}});
    // Also after a timeout: no goodbye can be said over half a handshake.
    co_return fail(ErrorKind::closed, "no TLS");
  }

  net::Task<> talk() {
    if (settings_.implicit_tls) CO_TRY_OK(co_await handshake());
    CO_TRY_OK(
        co_await say(fmt::format("* OK [CAPABILITY {}] Posthorn ready.\r\n", capabilities())));
    while (!over_) {
      CO_TRY(const std::string command, co_await read_command());
      CO_TRY_OK(co_await answer(command));
    }
    co_return Result<>{};
  }

  // A line, at most line_max; longer ones end the session.
  net::Task<std::string> read_line() {
    while (true) {
      if (const auto line = in_.take_line()) {
        if (line->size() <= settings_.line_max) co_return std::string(*line);
        (void)co_await say("* BYE Line too long\r\n");
        co_return fail(ErrorKind::protocol, "a line too long");
      }
      if (in_.data().size() > settings_.line_max) {
        (void)co_await say("* BYE Line too long\r\n");
        co_return fail(ErrorKind::protocol, "a line too long");
      }
      in_.release();
      if (in_.empty()) CO_TRY_OK(co_await wait_for_command());
      CO_TRY_OK(co_await in_.fill(*stream_, deadline_, 4096));
    }
  }

  // In short waits, so that a stop is noticed.
  net::Task<> wait_for_command() {
    while (true) {
      const auto ready = co_await stream_->wait_readable(
          std::min(deadline_, Clock::system().steady_now() + 500ms));
      if (ready) co_return ready;
      if (ready.error().kind != ErrorKind::timeout || Clock::system().steady_now() >= deadline_)
        co_return ready;
      if (stopping_) {
        (void)co_await say("* BYE The server is stopping\r\n");
        co_return fail(ErrorKind::closed, "the server is stopping");
      }
    }
  }

  // A command with its literals, each small.
  net::Task<std::string> read_command() {
    std::string command;
    while (true) {
      CO_TRY(const std::string line, co_await read_line());
      command += line;
      const auto mark = find_literal_mark(line);
      if (!mark) co_return command;
      if (mark->size > kLiteralMax || command.size() > settings_.line_max) {
        (void)co_await say("* BYE A literal before the login must be short\r\n");
        co_return fail(ErrorKind::protocol, "a literal too long");
      }
      command += "\r\n";
      if (mark->synchronizing) CO_TRY_OK(co_await say("+ OK\r\n"));
      while (in_.data().size() < mark->size)
        CO_TRY_OK(co_await in_.fill(*stream_, deadline_, 4096));
      command += in_.data().substr(0, static_cast<std::size_t>(mark->size));
      in_.consume(static_cast<std::size_t>(mark->size));
    }
  }

  net::Task<> bad(const std::string& tag, std::string_view text) {
    if (++bad_ >= kBadMax) {
      over_ = true;
      co_return co_await say("* BYE Too many errors\r\n");
    }
    co_return co_await say(fmt::format("{} BAD {}\r\n", tag, text));
  }

  net::Task<> answer(const std::string& command) {
    Parser parser(command);
    const auto tag = parser.tag();
    if (!tag || !parser.take_space()) co_return co_await bad("*", "A tag and a command are needed");
    const auto verb = parser.atom();
    if (!verb) co_return co_await bad(*tag, "A command is needed");
    if (equals(*verb, "CAPABILITY") && parser.at_end())
      co_return co_await say(
          fmt::format("* CAPABILITY {}\r\n{} OK Capability completed.\r\n", capabilities(), *tag));
    if (equals(*verb, "NOOP") && parser.at_end())
      co_return co_await say(*tag + " OK NOOP completed.\r\n");
    if (equals(*verb, "LOGOUT") && parser.at_end()) {
      over_ = true;
      co_return co_await say("* BYE Logging out\r\n" + *tag + " OK Logout completed.\r\n");
    }
    if (equals(*verb, "ID"))
      co_return co_await say("* ID (\"name\" \"Posthorn\")\r\n" + *tag + " OK ID completed.\r\n");
    if (equals(*verb, "STARTTLS") && parser.at_end()) co_return co_await starttls(*tag);
    if (equals(*verb, "LOGIN")) co_return co_await login(*tag, parser);
    if (equals(*verb, "AUTHENTICATE")) co_return co_await authenticate(*tag, parser);
    co_return co_await bad(*tag, "Not a command before the login");
  }

  net::Task<> starttls(const std::string& tag) {
    if (stream_->tls() != nullptr) co_return co_await bad(tag, "TLS is active already");
    if (services_.tls == nullptr) co_return co_await bad(tag, "TLS is not available");
    if (!in_.empty()) {
      // Bytes behind STARTTLS in the clear (CVE-2021-33515): whoever put them there must not be
      // answered inside TLS.
      log_.warn(event::imap_injection, {{"address", stream_->peer().address}});
      over_ = true;
      co_return fail(ErrorKind::protocol, "bytes behind STARTTLS");
    }
    CO_TRY_OK(co_await say(tag + " OK Begin TLS negotiation now.\r\n"));
    if (!in_.empty()) co_return fail(ErrorKind::protocol, "bytes behind STARTTLS");
    co_return co_await handshake();
  }

  net::Task<> login(const std::string& tag, Parser& parser) {
    std::optional<std::string> user, password;
    if (parser.take_space()) user = parser.astring();
    if (user && parser.take_space()) password = parser.astring();
    if (!password || !parser.at_end())
      co_return co_await bad(tag, "LOGIN needs a user name and a password");
    co_return co_await check(
        tag, {.authorization = {}, .user = *std::move(user), .password = *std::move(password)},
        "LOGIN");
  }

  net::Task<> authenticate(const std::string& tag, Parser& parser) {
    std::optional<std::string> mechanism;
    if (parser.take_space()) mechanism = parser.atom();
    if (!mechanism) co_return co_await bad(tag, "AUTHENTICATE needs a mechanism");
    if (!may_login()) co_return co_await say(tag + " NO [PRIVACYREQUIRED] Use STARTTLS first.\r\n");
    auth::SaslServer sasl;
    auth::SaslStep step = parser.take_space() ? sasl.start(*mechanism, parser.rest())
                                              : sasl.start(*mechanism, std::nullopt);
    while (const auto* challenge = std::get_if<auth::Challenge>(&step)) {
      CO_TRY_OK(co_await say("+ " + challenge->line + "\r\n"));
      CO_TRY(const std::string line, co_await read_line());
      step = sasl.feed(line);
    }
    if (const auto* failure = std::get_if<auth::SaslFailure>(&step)) {
      if (*failure == auth::SaslFailure::unknown_mechanism)
        co_return co_await say(tag + " NO Unknown mechanism.\r\n");
      co_return co_await bad(tag, "The exchange was cancelled or has a fault");
    }
    co_return co_await check(tag, std::get<auth::Credentials>(std::move(step)), sasl.mechanism());
  }

  net::Task<> check(const std::string& tag, auth::Credentials credentials,
                    const std::string& mechanism) {
    if (!may_login()) co_return co_await say(tag + " NO [PRIVACYREQUIRED] Use STARTTLS first.\r\n");
    const auto verdict = co_await services_.authenticator.authenticate(
        {.service = "imap",
         .mechanism = mechanism,
         .user = std::move(credentials.user),
         .authorization = std::move(credentials.authorization),
         .password = std::move(credentials.password),
         .address = stream_->peer().address,
         .session = session_id_,
         .tls = stream_->tls() != nullptr});
    if (!verdict) {
      log_.warn(event::imap_unavailable, {{"reason", verdict.error().what}});
      co_return co_await say(tag + " NO [UNAVAILABLE] The login cannot be checked now.\r\n");
    }
    if (verdict->outcome != auth::Verdict::Outcome::ok) {
      if (++failed_ >= kFailedMax) over_ = true;
      co_return co_await say(
          fmt::format("{}{} NO [AUTHENTICATIONFAILED] The user name or the password is wrong.\r\n",
                      over_ ? "* BYE Too many failures\r\n" : "", tag));
    }
    co_return co_await hand_over(tag, *verdict);
  }

  // From here on the store speaks; this role only carries bytes.
  net::Task<> hand_over(const std::string& tag, const auth::Verdict& verdict) {
    stream_->identify(session_id_, verdict.account);
    const auto carried = co_await auth::carry_session(services_.scope, *stream_, in_,
                                                      services_.store(verdict.account),
                                                      {.token = verdict.token,
                                                       .session = session_id_,
                                                       .service = "imap",
                                                       .tag = tag,
                                                       .address = stream_->peer().address,
                                                       .tls = stream_->tls() != nullptr});
    if (!carried) {
      log_.warn(event::imap_unavailable, {{"reason", carried.error().what}});
      co_return co_await say(tag + " NO [UNAVAILABLE] The mailboxes cannot be reached now.\r\n");
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
  bool over_ = false, stopping_ = false;
  int bad_ = 0, failed_ = 0;
};

}  // namespace

net::Awaitable<void> serve_login(net::StreamPtr stream, const LoginSettings& settings,
                                 const LoginServices& services) {
  Login login(std::move(stream), settings, services);
  co_await login.run();
}

}  // namespace posthorn::imap
