#include "imap/server/session.h"

#include <fmt/format.h>

#include "base/events.h"
#include "base/metrics.h"
#include "imap/proto/response.h"
#include "imap/server/capabilities.h"
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"
#include "net/timer.h"
#include "store/annotations.h"

namespace posthorn::imap {
namespace {

constexpr int kBadMax = 50;

// The connection is of no more use, or what was announced on it cannot be kept.
bool ends_session(const Error& error) {
  return error.kind == ErrorKind::closed || error.kind == ErrorKind::timeout ||
         error.kind == ErrorKind::protocol;
}

// The loop: one command after the other is read, carried out and answered.
class Session {
 public:
  Session(net::StreamPtr stream, const ServerServices& services);
  net::Awaitable<void> run();

 private:
  net::Task<> begin();
  net::Task<> talk();
  net::Task<std::string> read_command();
  Outcome refuse_literal(const Command* command, std::uint64_t size) const;
  void tell_annotations();
  net::Task<> finish(std::string_view tag, const Outcome& outcome);
  State state() const { return context_.view ? State::selected : State::authenticated; }

  Context context_;
  std::optional<auth::UserConnections::Slot> slot_;
  int bad_ = 0;
};

Session::Session(net::StreamPtr stream, const ServerServices& services)
    : context_{.connection{std::move(stream), services},
               .user{.services = services, .log = {}, .account = {}},
               .view = {},
               .resume = {},
               .watch = {}} {}

net::Awaitable<void> Session::run() {
  const metrics::Open open(metric::store_sessions);
  Connection& connection = context_.connection;
  Result<> ended = co_await begin();
  if (ended) ended = co_await talk();
  if (!ended && ended.error().kind == ErrorKind::timeout)
    co_await connection.say_bye("Autologout; idle for too long");
  context_.view.reset();
  (void)co_await connection.stream().shut_down(connection.now() + 1s);
  const User& user = context_.user;
  if (user.account)
    user.log.info(event::imap_ended,
                  {{"account", user.account->name()},
                   {"reason", ended ? connection.ended_by() : ended.error().what}});
}

// The hand-over: edge's line with the token; who it stands for only lookup knows.
net::Task<> Session::begin() {
  User& user = context_.user;
  Connection& connection = context_.connection;
  CO_TRY(const std::string line, co_await connection.read_line(connection.now() + 30s));
  CO_TRY(const auth::HandOver what, auth::parse_hand_over(line));
  user.log = user.log.with_session(what.session);
  CO_TRY(auto admitted, co_await user.services.admission.admit(
                            what, user.log, {event::imap_failed, event::imap_limited}));
  if (!admitted) {
    const bool is_known = admitted.error() == auth::Admission::Refused::too_many;
    CO_TRY_OK(co_await connection.answer(
        what.tag + (is_known ? " NO [LIMIT] Too many connections of this user\r\n"
                             : " NO [UNAVAILABLE] The login could not be handed over.\r\n")));
    co_return fail(ErrorKind::closed, "not admitted");
  }
  slot_ = std::move(admitted->slot);
  const std::string& account = admitted->account;
  auto opened = co_await user.services.accounts.open(account);
  if (!opened) {
    user.log.error(event::imap_failed, {{"account", account}, {"error", opened.error().what}});
    CO_TRY_OK(co_await connection.answer(
        what.tag + " NO [UNAVAILABLE] The mailboxes cannot be opened now.\r\n"));
    co_return std::unexpected(opened.error());
  }
  // On a full disk they are put off to a later login: what is there can be read and removed.
  if (const auto made = co_await (*opened)->ensure_defaults(); !made)
    user.log.warn(event::store_failed, {{"account", account}, {"error", made.error().what}});
  user.account = *std::move(opened);
  user.log.info(event::imap_opened, {{"account", user.account->name()}, {"address", what.address}});
  co_return co_await connection.answer(
      fmt::format("{} OK [CAPABILITY {}] Logged in\r\n", what.tag, kCapabilities));
}

// The answer to a literal that is too long.
Outcome Session::refuse_literal(const Command* command, std::uint64_t size) const {
  const std::uint64_t max =
      std::min(context_.user.services.config.imap.line_max, store::kAnnotationValueMax);
  if (command != nullptr && command->has(kHasValues) && size > max)
    return no("The value is too long", fmt::format("METADATA MAXSIZE {}", max));
  return {"BAD", "TOOBIG", "The literal is too long"};
}

// A whole command, its literals in it. The message of a command that reads it itself (APPEND) is
// not gathered: the text ends with its mark then.
net::Task<std::string> Session::read_command() {
  Connection& connection = context_.connection;
  const config::Imap& settings = context_.user.services.config.imap;
  std::string text;
  while (true) {
    const auto timeout = text.empty() ? settings.idle_timeout : settings.literal_timeout;
    CO_TRY(const std::string line, co_await connection.read_line(connection.now() + timeout));
    text += line;
    const auto mark = find_literal_mark(line);
    if (!mark) co_return text;
    Parser parser(text);
    const auto tag = parser.tag();
    const Command* command = tag && parser.take_space() ? take_command(parser) : nullptr;
    // The mailbox's name may be a literal; the one after it is the message.
    if (command != nullptr && command->has(kReadsMessage) && parser.take_space() &&
        parser.astring() && parser.take_space())
      co_return text;
    // Literals other than a message are names and search texts.
    if (mark->size > settings.line_max || text.size() > settings.line_max) {
      text.clear();
      CO_TRY_OK(co_await connection.skip_rest(line));
      CO_TRY_OK(co_await finish(tag.value_or("*"), refuse_literal(command, mark->size)));
      if (connection.is_over()) co_return fail(ErrorKind::protocol, "too many errors");
      continue;
    }
    if (mark->synchronizing) CO_TRY_OK(co_await connection.answer("+ OK\r\n"));
    CO_TRY(const std::string literal,
           co_await connection.read_literal(static_cast<std::size_t>(mark->size)));
    text += "\r\n" + literal;
  }
}

net::Task<> Session::talk() {
  while (!context_.connection.is_over()) {
    CO_TRY(const std::string text, co_await read_command());
    Parser parser(text);
    const auto tag = parser.tag();
    if (!tag || !parser.take_space()) {
      CO_TRY_OK(co_await finish("*", bad("A tag and a command are needed")));
      continue;
    }
    const Command* command = take_command(parser);
    std::optional<Outcome> outcome = refuse_illegal(command, state());
    if (!outcome) {
      if (!command->has(kKeepsResume)) context_.resume.reset();
      auto done = co_await command->run(parser, context_);
      if (!done && ends_session(done.error())) co_return std::unexpected(std::move(done).error());
      outcome = done ? *std::move(done) : context_.user.failed(done.error());
      if (context_.view && outcome->status != "BAD")
        CO_TRY_OK(co_await tell_changes(*context_.view,
                                        command->has(kHoldsExpunges) ? store::ExpungeMode::held_back
                                                                     : store::ExpungeMode::allowed,
                                        context_.connection));
      if (context_.watch) tell_annotations();
    }
    CO_TRY_OK(co_await finish(*tag, *outcome));
  }
  co_return Result<>{};
}

// RFC 5464 section 4.4.2: the names, without values.
void Session::tell_annotations() {
  for (const auto& [mailbox, entries] : context_.watch->take()) {
    std::string names;
    for (const std::string& entry : entries) {
      names += ' ';
      append_astring(names, entry);
    }
    context_.connection.responses().say(
        "METADATA {}{}", mailbox.empty() ? "\"\"" : context_.user.names().format(mailbox), names);
  }
}

net::Task<> Session::finish(std::string_view tag, const Outcome& outcome) {
  Connection& connection = context_.connection;
  Responses& responses = connection.responses();
  if (outcome.status == "BAD" && ++bad_ > kBadMax) {
    responses.say("BYE Too many errors");
    connection.end("too many errors");
  }
  responses.text() +=
      fmt::format("{} {} {}{}{}{}\r\n", tag, outcome.status, outcome.code.empty() ? "" : "[",
                  outcome.code, outcome.code.empty() ? "" : "] ", outcome.text);
  // Replies to pipelined commands go out together.
  if (connection.input().data().find('\n') != std::string_view::npos)
    return responses.flush_if_large();
  return responses.flush();
}

}  // namespace

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services) {
  Session session(std::move(stream), services);
  co_await session.run();
}

}  // namespace posthorn::imap
