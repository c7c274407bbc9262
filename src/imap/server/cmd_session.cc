#include <fmt/format.h>

#include "imap/server/session_impl.h"

namespace posthorn::imap {

net::Awaitable<Outcome> Session::capability(Parser&) {
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

net::Awaitable<Outcome> Session::logout(Parser&) {
  out_ += "* BYE Logging out\r\n";
  view_.reset();
  over_ = true;
  co_return ok("Logout completed");
}

net::Awaitable<Outcome> Session::id(Parser&) {
  out_ += "* ID (\"name\" \"Posthorn\")\r\n";
  co_return ok("ID completed");
}

net::Awaitable<Outcome> Session::enable(Parser& parser) {
  if (parser.at_end()) co_return bad("ENABLE needs a capability");
  out_ += "* ENABLED\r\n";  // RFC 5161 section 3.1: what is not known is passed over
  co_return ok("ENABLE completed");
}

net::Awaitable<Outcome> Session::name_space(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  out_ += "* NAMESPACE ((\"\" \".\")) NIL NIL\r\n";
  co_return ok("Namespace completed");
}

// RFC 2177. Changes are pushed as they come; the client ends it with DONE.
net::Awaitable<Outcome> Session::idle(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  out_ += "+ idling\r\n";
  if (!co_await flush()) over_ = true;
  const SteadyTime deadline = Clock::system().steady_now() + services_.config.imap.idle_timeout;
  auto looked = Clock::system().steady_now();
  while (!over_) {
    if (const auto line = in_.take_line())
      co_return equals(*line, "DONE") ? ok("Idle completed") : bad("DONE was expected");
    if (stopping_) {
      out_ += "* BYE The server is stopping\r\n";
      (void)co_await flush();
      over_ = true;
      break;
    }
    const SteadyTime now = Clock::system().steady_now();
    if (now >= deadline) {
      out_ += "* BYE Autologout; idle for too long\r\n";
      (void)co_await flush();
      over_ = true;
      break;
    }
    // In turns: the socket for a moment, then what happened to the mailbox.
    in_.release();
    const auto readable = co_await stream_->wait_readable(now + 250ms);
    if (readable) {
      if (!co_await in_.fill(*stream_, now + 1min, 512)) over_ = true;
    } else if (readable.error().kind != ErrorKind::timeout) {
      over_ = true;
    }
    if (!view_ || over_) continue;
    if (now - looked > services_.config.store.rescan) {
      looked = now;
      (void)co_await view_->mailbox().refresh();
    }
    if (!view_->has_changes()) continue;
    tell_changes(store::ExpungeMode::allowed);
    if (!co_await flush()) over_ = true;
  }
  co_return ok("Idle completed");
}

}  // namespace posthorn::imap
