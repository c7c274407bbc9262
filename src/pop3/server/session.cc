#include "pop3/server/session.h"

#include <fmt/format.h>

#include "base/metrics.h"
#include "pop3/server/session_impl.h"

namespace posthorn::pop3 {
namespace {

constexpr std::size_t kOutMax = 64 * 1024;
constexpr int kBadMax = 50;

}  // namespace

Session::Session(net::StreamPtr stream, const ServerServices& services)
    : stream_(std::move(stream)),
      services_(services),
      registration_(services.scope, *stream_, [this] {
        stopping_ = true;
        stream_->interrupt();
      }) {}

net::Awaitable<void> Session::run() {
  const metrics::Open open(metric::store_sessions);
  Result<> ended = co_await begin();
  if (ended) ended = co_await talk();
  (void)co_await flush();
  view_.reset();
  (void)co_await stream_->shut_down(Clock::system().steady_now() + 1s);
  if (account_)
    log_.info(event::pop3_ended, {{"account", account_->name()},
                                  {"messages", fmt::to_string(items_.size())},
                                  {"retrieved", fmt::to_string(retrieved_)},
                                  {"removed", fmt::to_string(removed_)},
                                  {"reason", ended ? std::string("quit") : ended.error().what}});
}

// The hand-over: edge's line with the token; who it stands for only lookup knows. What is said here
// answers the client's PASS or AUTH.
net::Task<> Session::begin() {
  CO_TRY(const std::string line, co_await read_line());
  CO_TRY(const auth::HandOver what, auth::parse_hand_over(line));
  log_ = log_.with_session(what.session);
  CO_TRY(auto admitted,
         co_await services_.admission.admit(what, log_, {event::pop3_failed, event::pop3_limited}));
  if (!admitted) {
    // RFC 2449 section 8.1.1: IN-USE says that the password was right.
    co_return co_await refuse(admitted.error() == auth::Admission::Refused::too_many
                                  ? "[IN-USE] Too many sessions of this user"
                                  : "[SYS/TEMP] The login could not be handed over");
  }
  slot_ = std::move(admitted->slot);
  const std::string& account = admitted->account;
  const auto opened = co_await open_inbox(account);
  if (!opened) {
    log_.error(event::pop3_failed, {{"account", account}, {"error", opened.error().what}});
    // RFC 3206: PERM needs a person, TEMP only time.
    co_return co_await refuse(opened.error().kind == ErrorKind::permanent
                                  ? "[SYS/PERM] The mailbox cannot be opened"
                                  : "[SYS/TEMP] The mailbox cannot be opened now");
  }
  log_.info(event::pop3_opened, {{"account", account_->name()}, {"address", what.address}});
  const Total all = total();
  out_ += fmt::format("+OK {} messages ({} octets)\r\n", all.messages, all.octets);
  co_return Result<>{};
}

// What the session sees until it ends (RFC 1939 section 3). It leaves \Recent to IMAP.
net::Task<> Session::open_inbox(const std::string& account) {
  CO_TRY(const auto opened, co_await services_.accounts.open(account));
  CO_TRY(auto view, co_await opened->open_view("INBOX", store::Access::read_only));
  if (!view) co_return fail(ErrorKind::temporary, "there is no INBOX");
  store::Mailbox& mailbox = view->mailbox();
  std::vector<store::Uid> unknown;
  for (const store::Entry& entry : mailbox.entries())
    if (entry.wire_size == 0) unknown.push_back(entry.uid);
  if (!unknown.empty()) CO_TRY_OK(co_await mailbox.load_sizes(std::move(unknown)));
  items_.reserve(mailbox.entries().size());
  for (const store::Entry& entry : mailbox.entries())
    items_.push_back({.uid = entry.uid, .size = entry.wire_size});
  (void)view->take_changes(store::ExpungeMode::allowed);
  account_ = opened;
  view_ = std::move(view);
  co_return Result<>{};
}

net::Task<> Session::talk() {
  while (!over_) {
    CO_TRY(const std::string line, co_await read_line());
    if (view_->mailbox().is_gone())
      co_return co_await refuse("[SYS/TEMP] The mailbox was replaced; log in again");
    const auto command = parse_command(line, State::transaction);
    if (command) {
      CO_TRY_OK(co_await answer(*command));
    } else if (++bad_ < kBadMax) {
      out_ += fmt::format("-ERR {}\r\n", command.error().text);
    } else {
      co_return co_await refuse("Too many errors");
    }
    // What others change is not told, but must not pile up.
    (void)view_->take_changes(store::ExpungeMode::allowed);
    CO_TRY_OK(co_await flush_if_large());
  }
  co_return Result<>{};
}

// -ERR, and the end of the session.
net::Task<> Session::refuse(std::string text) {
  out_ += fmt::format("-ERR {}\r\n", text);
  CO_TRY_OK(co_await flush());
  co_return fail(ErrorKind::closed, std::move(text));
}

net::Task<> Session::flush() {
  if (out_.empty()) co_return Result<>{};
  const std::string bytes = std::exchange(out_, {});
  co_return co_await stream_->write(bytes, write_deadline());
}

net::Task<> Session::flush_if_large() {
  if (out_.size() < kOutMax) co_return Result<>{};
  co_return co_await flush();
}

net::Task<std::string> Session::read_line() {
  const config::Pop3& config = services_.config;
  // RFC 1939 section 3: the time counts from command to command, and at its end nothing is said.
  const SteadyTime deadline = Clock::system().steady_now() + config.idle_timeout;
  while (true) {
    const auto line = in_.take_line();
    if (line && line->size() <= config.line_max) co_return std::string(*line);
    if (line || in_.data().size() > config.line_max) {
      (void)co_await refuse("Line too long");
      co_return fail(ErrorKind::protocol, "a line too long");
    }
    // RFC 2449 section 6.6: answers to commands that came together go out together.
    CO_TRY_OK(co_await flush());
    in_.release();
    if (in_.empty()) {
      const auto ready = co_await stream_->wait_readable(deadline);
      if (stopping_) {
        (void)co_await refuse("[SYS/TEMP] The server is stopping");
        co_return fail(ErrorKind::closed, "the server is stopping");
      }
      if (!ready && ready.error().kind == ErrorKind::temporary) continue;  // interrupted
      if (!ready) co_return std::unexpected(ready.error());
    }
    CO_TRY_OK(co_await in_.fill(*stream_, deadline));
  }
}

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services) {
  Session session(std::move(stream), services);
  co_await session.run();
}

}  // namespace posthorn::pop3
