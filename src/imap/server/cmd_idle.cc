// IDLE (RFC 2177): changes are told as they come; the client ends it with DONE.
#include <algorithm>

#include "base/ascii.h"
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"

namespace posthorn::imap {

net::Task<Outcome> idle(Parser& parser, store::ViewPtr& view, Connection& connection,
                        const User& user) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  CO_TRY_OK(co_await connection.answer("+ idling\r\n"));
  Responses& responses = connection.responses();
  net::InBuffer& input = connection.input();
  const config::Imap& settings = user.services.config.imap;
  const SteadyTime deadline = connection.now() + settings.idle_timeout;
  // Routers forget a connection on which nothing is said, often after five minutes, and the client
  // would wait for news for ever: what it does not expect keeps it in mind (as Dovecot says it).
  const auto interval = settings.idle_notify_interval;
  SteadyTime reminder = interval > 0s ? connection.now() + interval : deadline;
  // Waiting costs nothing: the mailbox wakes the session when it changes.
  const auto notice = view ? std::make_optional<store::View::Notice>(
                                 *view, [&connection] { connection.stream().interrupt(); })
                           : std::nullopt;
  while (!connection.is_over()) {
    if (const auto line = input.take_line()) {
      if (equals_ignoring_case(*line, "DONE")) co_return ok("Idle completed");
      CO_TRY_OK(co_await connection.skip_rest(std::string(*line)));
      co_return bad("DONE was expected");
    }
    if (connection.is_stopping()) {
      co_await connection.say_bye("The server is stopping");
      connection.end("the server is stopping");
      break;
    }
    if (connection.now() >= deadline) {
      co_await connection.say_bye("Autologout; idle for too long");
      connection.end("idle for too long");
      break;
    }
    const bool is_silent = connection.now() >= reminder;
    if (is_silent || (view && view->has_changes())) {
      if (view) CO_TRY_OK(co_await tell_changes(*view, store::ExpungeMode::allowed, connection));
      if (is_silent && responses.text().empty()) responses.say("OK Still here");
      CO_TRY_OK(co_await responses.flush());
      if (interval > 0s) reminder = connection.now() + interval;
      continue;
    }
    input.release();
    const auto readable = co_await connection.stream().wait_readable(std::min(deadline, reminder));
    if (readable) {
      const auto filled = co_await input.fill(connection.stream(), connection.now() + 1min, 512);
      if (!filled) connection.end(filled.error().what);
    } else if (readable.error().kind != ErrorKind::temporary &&
               readable.error().kind != ErrorKind::timeout) {
      connection.end(readable.error().what);
    }
  }
  co_return ok("Idle completed");
}

}  // namespace posthorn::imap
