// mbox files: messages one behind the other in one file, each behind a line "From sender date"
// (RFC 4155, the mboxrd form). A line of a message that would look like one, with any number of '>'
// before it, gets one '>' more on the way out and loses one on the way in. Flags stand in Status
// ("RO") and X-Status ("AFTD"), keywords in X-Keywords, as Dovecot, mutt and Pine have them.
// Tolerant in reading: LF or CRLF, missing empty lines, a From line only where a date follows.
// Sans-I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace posthorn::message {

struct MboxMarks {
  bool seen = false, old = false, answered = false, flagged = false, deleted = false, draft = false;
  std::vector<std::string> keywords;
  bool operator==(const MboxMarks&) const = default;
};

struct MboxMessage {
  std::string sender;  // of the From line; "MAILER-DAEMON" for none
  std::optional<WallTime> date;
  MboxMarks marks;
  std::string text;       // LF lines, quoting and mark fields taken away
  std::uint64_t end = 0;  // of a read one: where it ends in the file
};

// Takes a file in pieces; a message is whole when the next one begins.
class MboxReader {
 public:
  void feed(std::string_view piece);
  void finish();  // the file ended
  // The next whole message, in the order of the file.
  std::optional<MboxMessage> take();
  // Something stands before the first From line: this is no mbox file.
  bool is_foreign() const { return is_foreign_; }

 private:
  void line(std::string_view line);
  void end_message();

  std::string rest_;              // a line that is not whole
  std::uint64_t line_begin_ = 0;  // where it stands in the file
  std::vector<MboxMessage> ready_;
  std::size_t taken_ = 0;
  std::optional<MboxMessage> now_;
  bool after_empty_ = true;
  bool is_foreign_ = false;
};

struct FromLine {
  std::string sender;
  std::optional<WallTime> date;
};
// "From alice@example.org Sat Nov 21 04:26:46 2026", without its line end; nullopt: a line of text.
std::optional<FromLine> parse_from_line(std::string_view line);

// The message as it stands in a file, with the From line and an empty line behind it.
std::string format_mbox_message(const MboxMessage& message);

}  // namespace posthorn::message
