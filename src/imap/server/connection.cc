#include "imap/server/connection.h"

#include <algorithm>

#include "imap/proto/parser.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kLiteralChunk = 65'536;

}  // namespace

Connection::Connection(net::StreamPtr stream, const ServerServices& services)
    : stream_(std::move(stream)),
      settings_(services.config),
      clock_(services.scope.clock()),
      registration_(services.scope, *stream_,
                    [this] {
                      stopping_ = true;
                      stream_->interrupt();
                    }),
      responses_(*stream_, clock_) {}

net::Task<std::string> Connection::read_line(SteadyTime deadline) {
  while (true) {
    if (const auto line = in_.take_line()) co_return std::string(*line);
    if (in_.data().size() > settings_.imap.line_max) {
      co_await say_bye("Line too long");
      co_return fail(ErrorKind::protocol, "a line too long");
    }
    in_.release();
    if (in_.empty()) {
      const auto ready = co_await stream_->wait_readable(deadline);
      if (stopping_) {
        co_await say_bye("The server is stopping");
        co_return fail(ErrorKind::closed, "the server is stopping");
      }
      if (!ready && ready.error().kind == ErrorKind::temporary) continue;  // interrupted
      if (!ready) co_return std::unexpected(ready.error());
    }
    CO_TRY_OK(co_await in_.fill(*stream_, deadline));
  }
}

net::Task<std::string> Connection::read_literal(std::size_t size) {
  while (in_.data().size() < size) CO_TRY_OK(co_await in_.fill(*stream_, literal_deadline()));
  std::string literal(in_.data().substr(0, size));
  in_.consume(size);
  co_return literal;
}

net::Task<std::string_view> Connection::peek_literal(std::uint64_t left) {
  if (in_.empty()) CO_TRY_OK(co_await in_.fill(*stream_, literal_deadline(), kLiteralChunk));
  const std::size_t there = in_.data().size();
  co_return in_.data().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, there)));
}

net::Task<> Connection::skip_literal(std::uint64_t size) {
  while (size > 0) {
    CO_TRY(const std::string_view piece, co_await peek_literal(size));
    size -= piece.size();
    in_.consume(piece.size());
  }
  co_return Result<>{};
}

net::Task<> Connection::skip_rest(std::string line) {
  // Who announces more is cut off.
  const std::uint64_t skipped_max = 2 * settings_.smtp.message_max;
  for (auto mark = find_literal_mark(line); mark && !mark->synchronizing;
       mark = find_literal_mark(line)) {
    if (mark->size > skipped_max) {
      co_await say_bye("[TOOBIG] The literal is too long");
      co_return fail(ErrorKind::protocol, "a literal too long");
    }
    CO_TRY_OK(co_await skip_literal(mark->size));
    CO_TRY(line, co_await read_line());
  }
  co_return Result<>{};
}

net::Task<> Connection::answer(std::string_view text) {
  responses_.text() += text;
  return responses_.flush();
}

net::Awaitable<void> Connection::say_bye(std::string_view text) {
  responses_.say("BYE {}", text);
  (void)co_await responses_.flush();
}

void Connection::end(std::string_view why) {
  if (!over_) ended_by_ = why;
  over_ = true;
}

}  // namespace posthorn::imap
