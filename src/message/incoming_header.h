// The header of a message on its way in, made into one that every reader takes for the same. What
// programs write that is no field is treated as Postfix treats it: an mbox line on top becomes
// X-Mailbox-Line, and in front of the first line that is neither a field nor belongs to one stands
// an empty line, so that nobody reads on where others take it for the body. Sans-I/O; in pieces of
// any size; bounded (kHeaderMax, what is beyond counts as body). RFC 5322 section 2.2.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace posthorn::message {

class IncomingHeader {
 public:
  // CRLF lines only. True once the header is whole; what follows in the piece is kept for rest().
  bool feed(std::string_view piece);
  void finish();  // the message is over

  // Once it is whole. The fields, without the empty line behind them.
  std::string fields() const;
  // The empty line and what came of the body.
  std::string rest() const;

 private:
  enum class End { open, empty_line, no_field, too_long, no_body };

  End judge(std::string_view line) const;

  std::string text_;
  std::size_t line_ = 0;      // where the last line begins, the only one that may not be whole
  std::size_t searched_ = 0;  // behind line_, up to here there is no LF
  std::size_t mbox_end_ = 0;  // where the mbox lines end, which can only stand on top
  bool has_field_ = false;
  End end_ = End::open;
};

// A header without the fields of these names, in any case, and the lines folded under them.
std::string without_fields(std::string_view header, std::initializer_list<std::string_view> names);

}  // namespace posthorn::message
