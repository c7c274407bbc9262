// The commands about the session itself: CAPABILITY, NOOP, ID, ENABLE, IDLE, LOGOUT. RFC 3501
// section 6.1, RFC 2177, RFC 2971, RFC 5161.
#include <fmt/format.h>

#include "base/ascii.h"
#include "imap/server/session_impl.h"

namespace posthorn::imap {

net::Awaitable<Outcome> Session::capability(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  out_ += fmt::format("* CAPABILITY {}\r\n", capabilities());
  co_return ok("Capability completed");
}

net::Awaitable<Outcome> Session::noop(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  if (view_) {
    const auto refreshed = co_await view_->mailbox().refresh();
    if (!refreshed) co_return failed(refreshed.error());
  }
  co_return ok("Completed");
}

net::Awaitable<Outcome> Session::logout(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  out_ += "* BYE Logging out\r\n";
  view_.reset();
  over_ = true;
  co_return ok("Logout completed");
}

net::Awaitable<Outcome> Session::id(Parser& parser) {
  if (!take_id(parser)) co_return bad("ID needs a list of names and values");
  out_ += "* ID (\"name\" \"Posthorn\")\r\n";
  co_return ok("ID completed");
}

net::Awaitable<Outcome> Session::enable(Parser& parser) {
  if (!parser.take_space()) co_return bad("ENABLE needs a capability");
  do {
    if (!parser.atom()) co_return bad("ENABLE needs a capability");
  } while (parser.take_next());
  if (!parser.at_end()) co_return bad("ENABLE needs capabilities");
  out_ += "* ENABLED\r\n";  // RFC 5161 section 3.1: what is not known is passed over
  co_return ok("ENABLE completed");
}

net::Awaitable<Outcome> Session::name_space(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  out_ += fmt::format("* NAMESPACE ((\"\" \"{}\")) NIL NIL\r\n", services_.config.imap.separator);
  co_return ok("Namespace completed");
}

// RFC 2177. Changes are pushed as they come; the client ends it with DONE.
net::Awaitable<Outcome> Session::idle(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  out_ += "+ idling\r\n";
  if (!co_await flush()) end(kLost);
  const SteadyTime deadline = Clock::system().steady_now() + services_.config.imap.idle_timeout;
  // Routers forget a connection on which nothing is said, often after five minutes, and the client
  // would wait for news for ever: what it does not expect keeps it in mind (as Dovecot says it).
  const auto interval = services_.config.imap.idle_notify_interval;
  SteadyTime reminder = interval > 0s ? Clock::system().steady_now() + interval : deadline;
  // Waiting costs nothing: the mailbox wakes the session when it changes.
  const auto notice =
      view_ ? std::make_optional<store::View::Notice>(*view_, [this] { stream_->interrupt(); })
            : std::nullopt;
  while (!over_) {
    if (const auto line = in_.take_line()) {
      if (equals_ignoring_case(*line, "DONE")) co_return ok("Idle completed");
      if (!co_await skip_rest(std::string(*line))) end(kLost);
      co_return bad("DONE was expected");
    }
    if (stopping_) {
      out_ += "* BYE The server is stopping\r\n";
      (void)co_await flush();
      end("the server is stopping");
      break;
    }
    if (Clock::system().steady_now() >= deadline) {
      out_ += "* BYE Autologout; idle for too long\r\n";
      (void)co_await flush();
      end("idle for too long");
      break;
    }
    const bool is_silent = Clock::system().steady_now() >= reminder;
    if (is_silent || (view_ && view_->has_changes())) {
      if (view_) co_await tell_changes(store::ExpungeMode::allowed);
      if (is_silent && out_.empty()) out_ += "* OK Still here\r\n";
      if (!co_await flush()) end(kLost);
      if (interval > 0s) reminder = Clock::system().steady_now() + interval;
      continue;
    }
    in_.release();
    const auto readable = co_await stream_->wait_readable(std::min(deadline, reminder));
    if (readable) {
      const auto filled = co_await in_.fill(*stream_, Clock::system().steady_now() + 1min, 512);
      if (!filled) end(filled.error().what);
    } else if (readable.error().kind != ErrorKind::temporary &&
               readable.error().kind != ErrorKind::timeout) {
      end(readable.error().what);
    }
  }
  co_return ok("Idle completed");
}

}  // namespace posthorn::imap
