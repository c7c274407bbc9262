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
      responses_(*stream_, clock_),
      in_(services.scope, *stream_,
          {.line_max = services.config.imap.line_max,
           .say = [this](net::LineInput::LastWord word) { return say_last(word); }}) {}

net::Awaitable<void> Connection::say_last(net::LineInput::LastWord word) {
  return say_bye(word == net::LineInput::LastWord::stopping ? "The server is stopping"
                                                            : "Line too long");
}

net::Task<std::string_view> Connection::peek_literal(std::uint64_t left) {
  if (input().empty())
    CO_TRY_OK(co_await input().fill(*stream_, literal_deadline(), kLiteralChunk));
  const std::size_t there = input().data().size();
  co_return input().data().substr(0,
                                  static_cast<std::size_t>(std::min<std::uint64_t>(left, there)));
}

net::Task<> Connection::skip_literal(std::uint64_t size) {
  while (size > 0) {
    CO_TRY(const std::string_view piece, co_await peek_literal(size));
    size -= piece.size();
    input().consume(piece.size());
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
