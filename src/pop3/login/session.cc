#include "pop3/login/session.h"

#include <fmt/format.h>

#include "base/events.h"
#include "pop3/proto/command.h"

namespace posthorn::pop3 {
namespace {

constexpr std::string_view kUseStls = "-ERR Use STLS first: no password is taken in the clear\r\n";

const auth::LoginWords kWords{.service = "pop3",
                              .home = net::AccountService::pop3,
                              .line_too_long = "-ERR Line too long\r\n",
                              .stopping = "-ERR [SYS/TEMP] The server is stopping\r\n",
                              // RFC 1939 section 3: it is closed without a word.
                              .timed_out = "",
                              .ended = "quit",
                              .connected = event::pop3_connected,
                              .closed = event::pop3_closed,
                              .injection = event::pop3_injection,
                              .unavailable = event::pop3_unavailable};

class Login {
 public:
  Login(net::StreamPtr stream, const auth::LoginSettings& settings,
        const auth::LoginServices& services)
      : client_(std::move(stream), settings, services, kWords) {}

  net::Awaitable<void> run() {
    return client_.run([this] { return talk(); });
  }

 private:
  net::Task<> say(std::string text) { return client_.say(std::move(text)); }

  net::Task<> talk() {
    // Without "<…>" in it: APOP (RFC 1939 section 7) needs passwords kept in the clear.
    CO_TRY_OK(co_await say("+OK Posthorn ready.\r\n"));
    while (!client_.is_over()) {
      CO_TRY(const std::string line, co_await client_.read_line());
      const auto command = parse_command(line, State::authorization);
      CO_TRY_OK(command ? co_await answer(*command) : co_await bad(command.error().text));
    }
    co_return Result<>{};
  }

  net::Task<> bad(std::string_view text) {
    client_.count_bad();
    if (client_.is_over()) text = "Too many errors";
    co_return co_await say(fmt::format("-ERR {}\r\n", text));
  }

  net::Task<> answer(const Command& command) {
    // RFC 1939 section 7: PASS may be given only at once behind a USER.
    const std::string user = std::exchange(user_, {});
    switch (command.verb) {
      case Verb::capa:
        co_return co_await say(capabilities());
      case Verb::quit:
        client_.end();
        co_return co_await say("+OK Bye\r\n");
      case Verb::stls:
        co_return co_await stls();
      case Verb::utf8:
        // RFC 6856 section 2: messages and names are UTF-8 in any case; those who know only ASCII
        // are not refused what others sent them.
        co_return co_await say("+OK UTF8\r\n");
      case Verb::user:
        if (!client_.may_login()) co_return co_await say(std::string(kUseStls));
        user_ = command.text;
        co_return co_await say("+OK Now the password\r\n");  // whoever it is
      case Verb::pass:
        if (!client_.may_login()) co_return co_await say(std::string(kUseStls));
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
    if (client_.offers_tls()) text += "STLS\r\n";
    if (client_.may_login()) text += "USER\r\nSASL PLAIN LOGIN\r\n";
    return text + ".\r\n";
  }

  net::Task<> stls() {
    if (client_.has_tls()) co_return co_await bad("TLS is active already");
    if (!client_.offers_tls()) co_return co_await bad("TLS is not available");
    co_return co_await client_.start_tls("+OK Begin TLS now\r\n");
  }

  net::Task<> authenticate(std::string_view text) {
    // AUTH alone asks for the list (Outlook and others, from RFC 1734's time).
    if (text.empty())
      co_return co_await say(client_.may_login() ? "+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"
                                                 : "+OK\r\n.\r\n");
    if (!client_.may_login()) co_return co_await say(std::string(kUseStls));
    auth::SaslServer sasl;
    CO_TRY(auth::Exchanged exchanged, co_await client_.exchange(sasl, sasl.start(text)));
    if (const auto* failure = std::get_if<auth::SaslFailure>(&exchanged))
      co_return co_await bad(*failure == auth::SaslFailure::unknown_mechanism
                                 ? "Unknown mechanism"
                                 : "The exchange was cancelled or has a fault");
    co_return co_await check(std::get<auth::Credentials>(std::move(exchanged)), sasl.mechanism());
  }

  net::Task<> check(auth::Credentials credentials, std::string mechanism) {
    switch (co_await client_.log_in(std::move(credentials), std::move(mechanism), "")) {
      case auth::LoginOutcome::refused:
      case auth::LoginOutcome::refused_last:
        // RFC 3206 section 4: AUTH says that nothing but the credentials is wrong.
        co_return co_await say("-ERR [AUTH] The user name or the password is wrong\r\n");
      case auth::LoginOutcome::not_checked:
        co_return co_await say("-ERR [SYS/TEMP] The login cannot be checked now\r\n");
      case auth::LoginOutcome::not_handed:
        co_return co_await say("-ERR [SYS/TEMP] The mailbox cannot be reached now\r\n");
      case auth::LoginOutcome::handed:
        break;
    }
    co_return Result<>{};
  }

  auth::LoginConnection client_;
  std::string user_;
};

}  // namespace

net::Awaitable<void> serve_login(net::StreamPtr stream, const auth::LoginSettings& settings,
                                 const auth::LoginServices& services) {
  Login login(std::move(stream), settings, services);
  co_await login.run();
}

}  // namespace posthorn::pop3
