#include "managesieve/login/session.h"

#include "auth/sasl_exchange.h"
#include "base/events.h"
#include "managesieve/proto/command.h"
#include "managesieve/proto/response.h"
#include "sieve/compile.h"
#include "sieve/language/settings.h"

namespace posthorn::managesieve {
namespace {

const auth::LoginWords kWords{.service = "managesieve",
                              .home = net::AccountService::managesieve,
                              .line_too_long = "BYE \"Line too long\"\r\n",
                              .stopping = "BYE (TRYLATER) \"The server is stopping\"\r\n",
                              .timed_out = "BYE \"Autologout; log in sooner\"\r\n",
                              .ended = "logout",
                              .connected = event::managesieve_connected,
                              .closed = event::managesieve_closed,
                              .injection = event::managesieve_injection,
                              .unavailable = event::managesieve_unavailable};

class Login {
 public:
  Login(net::StreamPtr stream, const auth::LoginSettings& settings,
        const auth::LoginServices& services)
      : settings_(settings), client_(std::move(stream), settings, services, kWords) {}

  net::Awaitable<void> run() {
    return client_.run([this] { return talk(); });
  }

 private:
  net::Task<> say(std::string text) { return client_.say(std::move(text)); }
  net::Task<> say(Status status, std::string_view code, std::string_view text) {
    return say(format_response(status, code, text));
  }

  // RFC 5804 section 1.7: a mechanism is named only where it may be used.
  net::Task<> say_capabilities(std::string_view text) {
    return say(format_capabilities({.extensions = sieve::extension_names(),
                                    .mechanisms = client_.may_login() ? "PLAIN LOGIN" : "",
                                    .offers_tls = client_.offers_tls(),
                                    .redirects_max = sieve::Settings{}.redirects_max,
                                    .owner = {}}) +
               format_response(Status::ok, code::kNone, text));
  }

  net::Task<> talk() {
    CO_TRY_OK(co_await say_capabilities("Posthorn ready."));
    while (!client_.is_over()) {
      CO_TRY(const std::string text, co_await read_command());
      const auto command = parse_command(text, State::before_login);
      CO_TRY_OK(command ? co_await answer(*command) : co_await bad(command.error().text));
    }
    co_return Result<>{};
  }

  // A command or a SASL response with its literals: all of it is as short as a line must be.
  net::Task<std::string> read_command() {
    std::string text;
    while (true) {
      CO_TRY(const std::string line, co_await client_.read_line());
      text += line;
      const auto size = find_literal_size(line);
      if (!size) co_return text;
      if (*size > settings_.line_max || text.size() + *size > settings_.line_max) {
        (void)co_await say(Status::bye, code::kNone, "A literal before the login must be short");
        co_return fail(ErrorKind::protocol, "a literal too long");
      }
      text += "\r\n";
      CO_TRY(const std::string literal,
             co_await client_.read_bytes(static_cast<std::size_t>(*size)));
      text += literal;
    }
  }

  net::Task<> bad(std::string_view text) {
    client_.count_bad();
    if (client_.is_over()) co_return co_await say(Status::bye, code::kNone, "Too many errors");
    co_return co_await say(Status::no, code::kNone, text);
  }

  net::Task<> answer(const Command& command) {
    switch (command.verb) {
      case Verb::capability:
        co_return co_await say_capabilities("Capability completed.");
      case Verb::logout:
        client_.end();
        co_return co_await say(Status::ok, code::kNone, "Logout completed.");
      case Verb::noop:
        if (!command.strings.empty())
          co_return co_await say(format_tagged(command.strings.front(), "Done"));
        co_return co_await say(Status::ok, code::kNone, "NOOP completed.");
      case Verb::starttls:
        co_return co_await start_tls();
      case Verb::authenticate:
        co_return co_await authenticate(command);
      default:
        co_return co_await bad("Log in first");
    }
  }

  // RFC 5804 section 2.2: behind the handshake the capabilities are told without being asked for.
  net::Task<> start_tls() {
    if (client_.has_tls()) co_return co_await bad("TLS is active already");
    if (!client_.offers_tls()) co_return co_await bad("TLS is not available");
    CO_TRY_OK(co_await client_.start_tls(
        format_response(Status::ok, code::kNone, "Begin TLS negotiation now.")));
    co_return co_await say_capabilities("TLS negotiation successful.");
  }

  // Section 2.1: challenges and answers are strings.
  net::Task<std::optional<std::string>> ask(std::string challenge) {
    CO_TRY_OK(co_await say(format_string(challenge) + "\r\n"));
    CO_TRY(const std::string text, co_await read_command());
    // "*" cancels; so does what is no string.
    co_return parse_string(text).value_or("*");
  }

  net::Task<> authenticate(const Command& command) {
    if (!client_.may_login())
      co_return co_await say(Status::no, code::kEncryptNeeded,
                             "Use STARTTLS first: no password is taken in the clear");
    auth::SaslServer sasl;
    const auto initial = command.strings.size() > 1
                             ? std::optional<std::string_view>(command.strings[1])
                             : std::nullopt;
    CO_TRY(auth::Exchanged exchanged,
           co_await auth::finish_exchange(
               sasl, sasl.start(command.strings[0], initial),
               [this](const std::string& challenge) { return ask(challenge); }));
    if (const auto* failure = std::get_if<auth::SaslFailure>(&exchanged))
      co_return co_await bad(*failure == auth::SaslFailure::unknown_mechanism
                                 ? "Unknown mechanism"
                                 : "The exchange was cancelled or has a fault");
    co_return co_await check(std::get<auth::Credentials>(std::move(exchanged)), sasl.mechanism());
  }

  net::Task<> check(auth::Credentials credentials, std::string mechanism) {
    switch (co_await client_.log_in(std::move(credentials), std::move(mechanism), "")) {
      case auth::LoginOutcome::refused:
        co_return co_await say(Status::no, code::kNone, "The user name or the password is wrong");
      case auth::LoginOutcome::refused_last:
        co_return co_await say(Status::bye, code::kNone, "Too many failures");
      case auth::LoginOutcome::not_checked:
        co_return co_await say(Status::no, code::kTryLater, "The login cannot be checked now");
      case auth::LoginOutcome::not_handed:
        co_return co_await say(Status::no, code::kTryLater, "The scripts cannot be reached now");
      case auth::LoginOutcome::handed:
        break;
    }
    co_return Result<>{};
  }

  const auth::LoginSettings& settings_;
  auth::LoginConnection client_;
};

}  // namespace

net::Awaitable<void> serve_login(net::StreamPtr stream, const auth::LoginSettings& settings,
                                 const auth::LoginServices& services) {
  Login login(std::move(stream), settings, services);
  co_await login.run();
}

}  // namespace posthorn::managesieve
