// DATA: the message up to CRLF.CRLF, streamed into the sink as it comes. RFC 5321 sections 4.1.1.4
// and 4.5.2. An end of data is CRLF.CRLF and nothing else (proto/data_decoder.h).
#include "smtp/proto/data_decoder.h"
#include "smtp/server/session_impl.h"

namespace posthorn::smtp {

net::Task<> Session::data() {
  if (envelope_.recipients.empty()) {
    // RFC 5321 section 3.3: 554 when no recipient was taken.
    say({554, "5.5.1", "No valid recipients"});
    co_return Result<>{};
  }
  if (chunked_) {
    // RFC 3030 section 2: DATA and BDAT are not mixed in one transaction.
    say({503, "5.5.1", "BDAT has begun"});
    co_return Result<>{};
  }
  // RFC 2920 section 3.1: DATA ends a group; what follows ahead of the 354 is a smuggler's or a
  // bot's, on whatever port. A program of this machine may hand over its dialogue as a file.
  if (!buffer_.empty() && !is_internal() && !is_for_programs()) co_return co_await drop("DATA");
  if (const auto refused = co_await begin_message()) {
    say(*refused);
    co_await reset();
    co_return Result<>{};
  }
  out_ += is_like_exim() ? "354 Enter message, ending with \".\" on a line by itself\r\n"
                         : "354 End data with <CR><LF>.<CR><LF>\r\n";
  CO_TRY_OK(co_await flush());
  DataDecoder decoder;
  const SteadyTime begun = clock().steady_now();
  std::vector<std::string_view> pieces;
  std::string room;
  while (true) {
    if (!buffer_.empty()) {
      std::string_view input = buffer_.data();
      const std::size_t had = input.size();
      pieces.clear();
      const bool ended =
          decoder.feed(input, [&](std::string_view piece) { pieces.push_back(piece); });
      for (const std::string_view piece : pieces) {
        co_await take_piece(line_ends_.feed(piece, room));
        check_line_ends();
      }
      buffer_.consume(had - input.size());
      if (ended) break;
    }
    CO_TRY_OK(co_await fill_data(begun, received_));
  }
  ended_behind_cr_ = decoder.ended_behind_cr();
  co_return co_await end_message();
}

// The next piece of a message, or of what is read over in its place, with a deadline for it and,
// after a minute, for the whole by the least rate.
net::Task<> Session::fill_data(SteadyTime begun, std::uint64_t& received) {
  const SteadyTime now = clock().steady_now();
  // RFC 5321 section 4.5.3.2.5: three minutes between pieces at the least.
  const auto n = co_await buffer_.fill(*stream_, now + settings_.smtp.data_timeout, 65'536);
  if (!n) co_return std::unexpected(n.error());
  received += *n;
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(clock().steady_now() - begun).count();
  if (settings_.smtp.data_rate_min > 0 && seconds > 60 &&
      received < settings_.smtp.data_rate_min * static_cast<std::uint64_t>(seconds))
    co_return fail(ErrorKind::timeout, "slower than the least rate");
  co_return Result<>{};
}

}  // namespace posthorn::smtp
