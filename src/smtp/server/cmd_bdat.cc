// BDAT: the message in chunks of a told size; what is refused is read over. RFC 3030 section 2.
#include <algorithm>
#include <fmt/format.h>

#include "smtp/server/session_impl.h"

namespace posthorn::smtp {

net::Task<> Session::bdat(const std::string& argument) {
  const auto chunk = parse_bdat(argument);
  if (!chunk) {
    say(chunk.error());
    over_ = true;  // how many bytes follow is not known: the stream is out of step
    co_return Result<>{};
  }
  // RFC 3030 section 2: the chunk comes whatever we say, and is read before the answer.
  if (envelope_.recipients.empty()) {
    say({554, "5.5.1", "No valid recipients"});
    co_return co_await skip(chunk->size);
  }
  if (!chunked_) {
    chunked_ = true;
    if (auto refused = co_await begin_message())
      refuse({MessageRefusal::Reason::try_later, *std::move(refused)});
  }
  std::uint64_t left = chunk->size;
  std::string room;
  while (left > 0) {
    if (buffer_.empty()) CO_TRY_OK(co_await fill_data(begun_, received_));
    const std::string_view piece = buffer_.data().substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.data().size())));
    // BDAT counts bytes and knows no lines, yet what goes on from here has CRLF lines only.
    co_await take_piece(line_ends_.feed(piece, room));
    check_line_ends();
    left -= piece.size();
    buffer_.consume(piece.size());
  }
  // RFC 3030 section 2: each chunk has its answer; LAST's is the message's.
  if (!chunk->last) {
    say(refusal_ ? refusal_->reply
                 : Reply{250, "2.0.0", fmt::format("{} octets received", chunk->size)});
    co_return Result<>{};
  }
  co_await take_piece(line_ends_.finish());
  check_line_ends();
  co_return co_await end_message();
}

net::Task<> Session::skip_chunk(const std::string& argument) {
  const auto chunk = parse_bdat(argument);
  if (!chunk) {
    over_ = true;
    co_return Result<>{};
  }
  co_return co_await skip(chunk->size);
}

// A chunk that nobody wants is read over, as fast as a message must come and no more of them in a
// session than the largest message has; else somebody holds a place here for nothing.
net::Task<> Session::skip(std::uint64_t left) {
  if (left > settings_.smtp.message_max - std::min(skipped_, settings_.smtp.message_max)) {
    say({421, "4.7.0", "Too many octets without a message"});
    co_return Result<>{};
  }
  skipped_ += left;
  const SteadyTime begun = clock().steady_now();
  std::uint64_t received = buffer_.data().size();
  while (left > 0) {
    if (buffer_.empty()) CO_TRY_OK(co_await fill_data(begun, received));
    const std::size_t n =
        static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.data().size()));
    buffer_.consume(n);
    left -= n;
  }
  co_return Result<>{};
}

}  // namespace posthorn::smtp
