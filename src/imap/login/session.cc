#include "imap/login/session.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "imap/proto/parser.h"

namespace posthorn::imap {
namespace {

constexpr std::uint64_t kLiteralMax = 4096;
constexpr std::string_view kUseTls = " NO [PRIVACYREQUIRED] Use STARTTLS first.\r\n";

const auth::LoginWords kWords{.service = "imap",
                              .home = net::AccountService::imap,
                              .line_too_long = "* BYE Line too long\r\n",
                              .stopping = "* BYE The server is stopping\r\n",
                              .timed_out = "* BYE Autologout; log in sooner\r\n",
                              .ended = "logout",
                              .connected = event::imap_connected,
                              .closed = event::imap_closed,
                              .injection = event::imap_injection,
                              .unavailable = event::imap_unavailable};

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

  std::string capabilities() const {
    std::string text = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE";
    if (client_.offers_tls()) text += " STARTTLS";
    text += client_.may_login() ? " AUTH=PLAIN AUTH=LOGIN" : " LOGINDISABLED";
    return text;
  }

  net::Task<> talk() {
    CO_TRY_OK(
        co_await say(fmt::format("* OK [CAPABILITY {}] Posthorn ready.\r\n", capabilities())));
    while (!client_.is_over()) {
      CO_TRY(const std::string command, co_await read_command());
      CO_TRY_OK(co_await answer(command));
    }
    co_return Result<>{};
  }

  // A command with its literals, each small.
  net::Task<std::string> read_command() {
    std::string command;
    while (true) {
      CO_TRY(const std::string line, co_await client_.read_line());
      command += line;
      const auto mark = find_literal_mark(line);
      if (!mark) co_return command;
      if (mark->size > kLiteralMax || command.size() > settings_.line_max) {
        (void)co_await say("* BYE A literal before the login must be short\r\n");
        co_return fail(ErrorKind::protocol, "a literal too long");
      }
      command += "\r\n";
      if (mark->synchronizing) CO_TRY_OK(co_await say("+ OK\r\n"));
      CO_TRY(const std::string literal,
             co_await client_.read_bytes(static_cast<std::size_t>(mark->size)));
      command += literal;
    }
  }

  net::Task<> bad(const std::string& tag, std::string_view text) {
    client_.count_bad();
    if (client_.is_over()) co_return co_await say("* BYE Too many errors\r\n");
    co_return co_await say(fmt::format("{} BAD {}\r\n", tag, text));
  }

  net::Task<> answer(const std::string& command) {
    Parser parser(command);
    const auto tag = parser.tag();
    if (!tag || !parser.take_space()) co_return co_await bad("*", "A tag and a command are needed");
    const auto verb = parser.atom();
    if (!verb) co_return co_await bad(*tag, "A command is needed");
    if (equals_ignoring_case(*verb, "CAPABILITY") && parser.at_end())
      co_return co_await say(
          fmt::format("* CAPABILITY {}\r\n{} OK Capability completed.\r\n", capabilities(), *tag));
    if (equals_ignoring_case(*verb, "NOOP") && parser.at_end())
      co_return co_await say(*tag + " OK NOOP completed.\r\n");
    if (equals_ignoring_case(*verb, "LOGOUT") && parser.at_end()) {
      client_.end();
      co_return co_await say("* BYE Logging out\r\n" + *tag + " OK Logout completed.\r\n");
    }
    if (equals_ignoring_case(*verb, "ID") && take_id(parser))
      co_return co_await say("* ID (\"name\" \"Posthorn\")\r\n" + *tag + " OK ID completed.\r\n");
    if (equals_ignoring_case(*verb, "STARTTLS") && parser.at_end())
      co_return co_await starttls(*tag);
    if (equals_ignoring_case(*verb, "LOGIN")) co_return co_await login(*tag, parser);
    if (equals_ignoring_case(*verb, "AUTHENTICATE")) co_return co_await authenticate(*tag, parser);
    co_return co_await bad(*tag, "Not a command before the login");
  }

  net::Task<> starttls(const std::string& tag) {
    if (client_.has_tls()) co_return co_await bad(tag, "TLS is active already");
    if (!client_.offers_tls()) co_return co_await bad(tag, "TLS is not available");
    co_return co_await client_.start_tls(tag + " OK Begin TLS negotiation now.\r\n");
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
    if (!client_.may_login()) co_return co_await say(tag + std::string(kUseTls));
    auth::SaslServer sasl;
    auth::SaslStep first = parser.at_end()       ? sasl.start(*mechanism, std::nullopt)
                           : parser.take_space() ? sasl.start(*mechanism, parser.rest())
                                                 : auth::SaslStep(auth::SaslFailure::malformed);
    CO_TRY(auth::Exchanged exchanged, co_await client_.exchange(sasl, std::move(first)));
    if (const auto* failure = std::get_if<auth::SaslFailure>(&exchanged)) {
      if (*failure == auth::SaslFailure::unknown_mechanism)
        co_return co_await say(tag + " NO Unknown mechanism.\r\n");
      co_return co_await bad(tag, "The exchange was cancelled or has a fault");
    }
    co_return co_await check(tag, std::get<auth::Credentials>(std::move(exchanged)),
                             sasl.mechanism());
  }

  net::Task<> check(const std::string& tag, auth::Credentials credentials,
                    const std::string& mechanism) {
    if (!client_.may_login()) co_return co_await say(tag + std::string(kUseTls));
    constexpr std::string_view kWrong =
        " NO [AUTHENTICATIONFAILED] The user name or the password is wrong.\r\n";
    switch (co_await client_.log_in(std::move(credentials), mechanism, tag)) {
      case auth::LoginOutcome::refused:
        co_return co_await say(fmt::format("{}{}", tag, kWrong));
      case auth::LoginOutcome::refused_last:
        co_return co_await say(fmt::format("* BYE Too many failures\r\n{}{}", tag, kWrong));
      case auth::LoginOutcome::not_checked:
        co_return co_await say(tag + " NO [UNAVAILABLE] The login cannot be checked now.\r\n");
      case auth::LoginOutcome::not_handed:
        co_return co_await say(tag + " NO [UNAVAILABLE] The mailboxes cannot be reached now.\r\n");
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

}  // namespace posthorn::imap
