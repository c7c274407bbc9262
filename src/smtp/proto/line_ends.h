// The line ends of a message's text as it comes in, behind DATA's dots or in BDAT's chunks. From
// here on there are CRLF lines only (RFC 5321 section 2.3.8): a LF alone becomes CRLF, a CR alone a
// blank, as Postfix's cleanup_replace_stray_cr_lf has it, before anybody looks at a header. What
// stood there is remembered, for who refuses it. Whatever it makes of a text is the same in pieces
// of any size. It never ends a message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::smtp {

class LineEnds {
 public:
  explicit LineEnds(std::uint64_t line_max) : line_max_(line_max) {}

  // The piece, mended: a part of itself where nothing had to be, or what was made of it in room. A
  // CR at its end is held back until the next byte tells what it is.
  std::string_view feed(std::string_view piece, std::string& room);
  // The message is over: what is still to come of it.
  std::string_view finish();

  bool has_bare() const { return has_bare_; }
  bool has_long_line() const { return has_long_line_; }

 private:
  std::uint64_t line_max_;
  std::uint64_t line_ = 0;  // octets of the line so far
  bool cr_held_ = false, has_bare_ = false, has_long_line_ = false;
};

}  // namespace posthorn::smtp
