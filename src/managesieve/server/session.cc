#include "managesieve/server/session.h"

#include <fmt/format.h>

#include "base/events.h"
#include "base/metrics.h"
#include "managesieve/proto/response.h"
#include "managesieve/server/commands.h"
#include "net/line_input.h"
#include "net/out_buffer.h"

namespace posthorn::managesieve {
namespace {

constexpr int kBadMax = 50;
// A literal over the limit is read and thrown away, so that the client hears why; one of this size
// is no script that somebody meant to put.
constexpr std::uint64_t kSkippedMax = 64U << 20U;
constexpr std::size_t kPiece = 16'384;

// The loop: one command after the other is read and answered.
class Session {
 public:
  Session(net::StreamPtr stream, const ServerServices& services);
  net::Awaitable<void> run();

 private:
  struct Received {
    std::string text;
    bool has_skipped = false;  // a literal too large stands in it as an empty one
  };
  net::Task<> begin();
  net::Task<> talk();
  net::Task<> answer_one(const Received& received);
  net::Task<Received> read_command();
  net::Task<> read_literal(std::uint64_t size, SteadyTime deadline, Received& received);
  net::Task<> refuse(std::string_view code, std::string_view text);
  net::Awaitable<void> say_last(net::LineInput::LastWord word);

  net::StreamPtr stream_;
  const ServerServices& services_;
  log::Logger log_;
  net::OutBuffer out_;
  net::LineInput in_;
  std::optional<auth::UserConnections::Slot> slot_;
  store::AccountPtr account_;
  int bad_ = 0;
  bool is_over_ = false;
};

Session::Session(net::StreamPtr stream, const ServerServices& services)
    : stream_(std::move(stream)),
      services_(services),
      out_(*stream_, services_.scope.clock()),
      in_(services.scope, *stream_,
          {.line_max = services.config.managesieve.line_max,
           .piece_max = kPiece,
           .say = [this](net::LineInput::LastWord word) { return say_last(word); },
           .before_wait = [this] { return out_.flush(); }}) {}

net::Awaitable<void> Session::run() {
  const metrics::Open open(metric::store_sessions);
  Result<> ended = co_await begin();
  if (ended) ended = co_await talk();
  (void)co_await out_.flush();
  (void)co_await stream_->shut_down(services_.scope.after(1s));
  if (account_)
    log_.info(event::managesieve_ended,
              {{"account", account_->name()},
               {"reason", ended ? std::string("logout") : ended.error().what}});
}

// The hand-over: edge's line with the token; who it stands for only lookup knows. What is said here
// answers the client's AUTHENTICATE.
net::Task<> Session::begin() {
  CO_TRY(const std::string line,
         co_await in_.read_line(services_.scope.after(services_.config.managesieve.idle_timeout)));
  CO_TRY(const auth::HandOver what, auth::parse_hand_over(line));
  log_ = log_.with_session(what.session);
  CO_TRY(auto admitted, co_await services_.admission.admit(
                            what, log_, {event::managesieve_failed, event::managesieve_limited}));
  if (!admitted)
    co_return co_await refuse(code::kTryLater,
                              admitted.error() == auth::Admission::Refused::too_many
                                  ? "Too many sessions of this user"
                                  : "The login could not be handed over");
  slot_ = std::move(admitted->slot);
  auto opened = co_await services_.accounts.open(admitted->account);
  if (!opened) {
    log_.error(event::managesieve_failed,
               {{"account", admitted->account}, {"error", opened.error().what}});
    co_return co_await refuse(
        opened.error().kind == ErrorKind::permanent ? code::kNone : code::kTryLater,
        "The scripts cannot be reached");
  }
  account_ = *std::move(opened);
  log_.info(event::managesieve_opened, {{"account", account_->name()}, {"address", what.address}});
  out_.text() += format_response(Status::ok, code::kNone, "Logged in.");
  co_return Result<>{};
}

net::Task<> Session::talk() {
  while (!is_over_) {
    CO_TRY(const Received received, co_await read_command());
    CO_TRY_OK(co_await answer_one(received));
    CO_TRY_OK(co_await out_.flush_if_large());
  }
  co_return Result<>{};
}

net::Task<> Session::answer_one(const Received& received) {
  const auto command = parse_command(received.text, State::after_login);
  if (!command) {
    if (++bad_ >= kBadMax) co_return co_await refuse(code::kNone, "Too many errors");
    out_.text() += format_response(Status::no, code::kNone, command.error().text);
    co_return Result<>{};
  }
  if (received.has_skipped) {
    // RFC 5804 section 2.6: the script is larger than what is taken.
    out_.text() += format_response(
        Status::no, code::kMaxSize,
        fmt::format("A script has {} bytes at most", services_.config.sieve.script_size_max));
    co_return Result<>{};
  }
  out_.text() += co_await answer(*command, {.pool = services_.pool,
                                            .config = services_.config,
                                            .disk = account_->disk(),
                                            .account = *account_,
                                            .log = log_});
  is_over_ = command->verb == Verb::logout;
  co_return Result<>{};
}

// With its literals. RFC 5804 section 4: they come without being asked for.
net::Task<Session::Received> Session::read_command() {
  Received received;
  while (true) {
    const SteadyTime deadline = services_.scope.after(services_.config.managesieve.idle_timeout);
    CO_TRY(const std::string line, co_await in_.read_line(deadline));
    const auto size = find_literal_size(line);
    if (!size) {
      received.text += line;
      co_return received;
    }
    received.text += line.substr(0, line.rfind('{'));
    CO_TRY_OK(co_await read_literal(*size, deadline, received));
    if (received.text.size() >
        services_.config.sieve.script_size_max + 2 * services_.config.managesieve.line_max)
      CO_TRY_OK(co_await refuse(code::kNone, "Too many literals"));
  }
}

// It is put behind what is there with the size that it has there.
net::Task<> Session::read_literal(std::uint64_t size, SteadyTime deadline, Received& received) {
  const bool is_kept = size <= services_.config.sieve.script_size_max;
  if (!is_kept && size > kSkippedMax)
    co_return co_await refuse(code::kMaxSize, "A literal far too large");
  if (is_kept) {
    CO_TRY(const std::string bytes,
           co_await in_.read_bytes(static_cast<std::size_t>(size), deadline));
    received.text += fmt::format("{{{}}}\r\n{}", size, bytes);
    co_return Result<>{};
  }
  for (std::uint64_t left = size; left > 0;) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece));
    CO_TRY_OK(co_await in_.read_bytes(piece, deadline));
    left -= piece;
  }
  received.has_skipped = true;
  received.text += "{0}\r\n";
  co_return Result<>{};
}

// BYE, and the end of the session.
net::Task<> Session::refuse(std::string_view code, std::string_view text) {
  out_.text() += format_response(Status::bye, code, text);
  CO_TRY_OK(co_await out_.flush());
  co_return fail(ErrorKind::closed, std::string(text));
}

net::Awaitable<void> Session::say_last(net::LineInput::LastWord word) {
  if (word == net::LineInput::LastWord::stopping)
    (void)co_await refuse(code::kTryLater, "The server is stopping");
  else
    (void)co_await refuse(code::kNone, "Line too long");
}

}  // namespace

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services) {
  Session session(std::move(stream), services);
  co_await session.run();
}

}  // namespace posthorn::managesieve
