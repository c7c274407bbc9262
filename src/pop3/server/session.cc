#include "pop3/server/session.h"

#include <fmt/format.h>

#include "base/events.h"
#include "base/metrics.h"
#include "net/line_input.h"
#include "net/out_buffer.h"
#include "pop3/server/commands.h"

namespace posthorn::pop3 {
namespace {

constexpr int kBadMax = 50;

// The loop: one command after the other is read and answered.
class Session {
 public:
  Session(net::StreamPtr stream, const ServerServices& services);
  net::Awaitable<void> run();

 private:
  net::Task<> begin();
  net::Task<> open_maildrop(const std::string& account);
  net::Task<> talk();
  net::Task<std::string> read_line();
  net::Task<> refuse(std::string text);
  net::Awaitable<void> say_last(net::LineInput::LastWord word);
  Context context();

  net::StreamPtr stream_;
  const ServerServices& services_;
  log::Logger log_;
  net::OutBuffer out_;
  net::LineInput in_;
  std::optional<auth::UserConnections::Slot> slot_;
  store::AccountPtr account_;
  std::optional<Maildrop> maildrop_;  // from the login on
  int bad_ = 0;
};

Session::Session(net::StreamPtr stream, const ServerServices& services)
    : stream_(std::move(stream)),
      services_(services),
      out_(*stream_, services_.scope.clock()),
      in_(services.scope, *stream_,
          {.line_max = services.config.line_max,
           .say = [this](net::LineInput::LastWord word) { return say_last(word); },
           // RFC 2449 section 6.6: answers to commands that came together go out together.
           .before_wait = [this] { return out_.flush(); }}) {}

net::Awaitable<void> Session::run() {
  const metrics::Open open(metric::store_sessions);
  Result<> ended = co_await begin();
  if (ended) ended = co_await talk();
  (void)co_await out_.flush();
  const std::size_t messages = maildrop_ ? maildrop_->items().size() : 0,
                    retrieved = maildrop_ ? maildrop_->retrieved() : 0,
                    removed = maildrop_ ? maildrop_->removed() : 0;
  maildrop_.reset();
  (void)co_await stream_->shut_down(services_.scope.after(1s));
  if (account_)
    log_.info(event::pop3_ended, {{"account", account_->name()},
                                  {"messages", fmt::to_string(messages)},
                                  {"retrieved", fmt::to_string(retrieved)},
                                  {"removed", fmt::to_string(removed)},
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
  const auto opened = co_await open_maildrop(account);
  if (!opened) {
    log_.error(event::pop3_failed, {{"account", account}, {"error", opened.error().what}});
    // RFC 3206: PERM needs a person, TEMP only time.
    co_return co_await refuse(opened.error().kind == ErrorKind::permanent
                                  ? "[SYS/PERM] The mailbox cannot be opened"
                                  : "[SYS/TEMP] The mailbox cannot be opened now");
  }
  log_.info(event::pop3_opened, {{"account", account_->name()}, {"address", what.address}});
  out_.text() += format_total(*maildrop_);
  co_return Result<>{};
}

net::Task<> Session::open_maildrop(const std::string& account) {
  CO_TRY(auto opened, co_await services_.accounts.open(account));
  CO_TRY(maildrop_, co_await Maildrop::open(*opened));
  account_ = std::move(opened);
  co_return Result<>{};
}

net::Task<> Session::talk() {
  while (true) {
    CO_TRY(const std::string line, co_await read_line());
    if (maildrop_->is_gone())
      co_return co_await refuse("[SYS/TEMP] The mailbox was replaced; log in again");
    const auto command = parse_command(line, State::transaction);
    if (command) {
      CO_TRY_OK(co_await answer(*command, context()));
      if (command->verb == Verb::quit) co_return Result<>{};
    } else if (++bad_ < kBadMax) {
      out_.text() += fmt::format("-ERR {}\r\n", command.error().text);
    } else {
      co_return co_await refuse("Too many errors");
    }
    maildrop_->pass_over_changes();
    CO_TRY_OK(co_await out_.flush_if_large());
  }
}

Context Session::context() {
  return {.maildrop = *maildrop_,
          .out = out_,
          .pool = services_.pool,
          .log = log_,
          .account = account_->name(),
          .retrieved = services_.config.mark_seen ? Maildrop::Retrieved::mark_seen
                                                  : Maildrop::Retrieved::left_unseen};
}

// -ERR, and the end of the session.
net::Task<> Session::refuse(std::string text) {
  out_.text() += fmt::format("-ERR {}\r\n", text);
  CO_TRY_OK(co_await out_.flush());
  co_return fail(ErrorKind::closed, std::move(text));
}

net::Awaitable<void> Session::say_last(net::LineInput::LastWord word) {
  (void)co_await refuse(word == net::LineInput::LastWord::stopping
                            ? "[SYS/TEMP] The server is stopping"
                            : "Line too long");
}

// RFC 1939 section 3: the time counts from command to command, and at its end nothing is said.
net::Task<std::string> Session::read_line() {
  return in_.read_line(services_.scope.after(services_.config.idle_timeout));
}

}  // namespace

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services) {
  Session session(std::move(stream), services);
  co_await session.run();
}

}  // namespace posthorn::pop3
