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
  if (envelope_.recipients.empty()) {
    say({554, "5.5.1", "No valid recipients"});
    co_return co_await skip(chunk->size);
  }
  if (!chunked_) {
    chunked_ = true;
    if (auto refused = co_await begin_message()) refuse(*std::move(refused));
  }
  std::uint64_t left = chunk->size;
  while (left > 0) {
    if (buffer_.empty()) CO_TRY_OK(co_await fill_data(begun_));
    const std::string_view piece = buffer_.data().substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.data().size())));
    check_chunk(piece);
    co_await take_piece(piece);
    left -= piece.size();
    buffer_.consume(piece.size());
  }
  if (!chunk->last) {
    say(refusal_ ? *refusal_ : Reply{250, "2.0.0", fmt::format("{} octets received", chunk->size)});
    co_return Result<>{};
  }
  if (chunk_before_ == '\r') refuse({550, "5.5.2", "Bare CR or LF in message"});
  co_return co_await end_message();
}

// BDAT counts bytes and knows no lines, yet what goes on from here has CRLF lines only.
void Session::check_chunk(std::string_view piece) {
  for (const char c : piece) {
    if ((chunk_before_ == '\r') != (c == '\n')) refuse({550, "5.5.2", "Bare CR or LF in message"});
    if (c == '\0') refuse({550, "5.6.0", "NUL in message"});
    chunk_before_ = c;
  }
}

net::Task<> Session::skip_chunk(const std::string& argument) {
  const auto chunk = parse_bdat(argument);
  if (!chunk || chunk->size > settings_.smtp.message_max * 2) {
    over_ = true;
    co_return Result<>{};
  }
  co_return co_await skip(chunk->size);
}

net::Task<> Session::skip(std::uint64_t left) {
  while (left > 0) {
    if (buffer_.empty())
      CO_TRY_OK(co_await buffer_.fill(*stream_, soon(settings_.smtp.data_timeout), 65'536));
    const std::size_t n =
        static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.data().size()));
    buffer_.consume(n);
    left -= n;
  }
  co_return Result<>{};
}

}  // namespace posthorn::smtp
