// The grammar of IMAP commands (RFC 3501 section 9, RFC 7888, RFC 4959): a cursor over one whole
// command, its literals standing in it as they came ("{3}\r\nabc"). Bytes in, values or "this is no
// such thing" out; nesting and counts capped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::imap {

// The literal that a line announces at its end: "{12}" or "{12+}".
struct LiteralMark {
  std::uint64_t size = 0;
  bool synchronizing = true;
};
std::optional<LiteralMark> find_literal_mark(std::string_view line);

// Ranges in ascending order; 0 stands for "*".
struct SequenceSet {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  // "*" replaced by last, ranges ordered and joined; empty where last is 0.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> resolve(std::uint32_t last) const;
};

inline constexpr std::size_t kRangesMax = 50'000;
inline constexpr int kNestingMax = 100;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  std::string_view rest() const { return text_.substr(at_); }
  // Each reads what it names and moves on, or gives nothing and leaves the place as it was.
  bool take(char c);
  bool take_space() { return take(' '); }
  bool take_word(std::string_view word);  // in any case
  std::optional<std::string> atom();
  std::optional<std::string> tag();
  std::optional<std::string> string();  // quoted or literal
  std::optional<std::string> astring();
  std::optional<std::string> list_mailbox();
  std::optional<std::uint64_t> number();
  std::optional<SequenceSet> sequence_set();
  std::optional<std::vector<std::string>> flags();  // "(\Seen x)" or "\Seen x"
  std::optional<std::int64_t> date();               // 1-Feb-1994 or quoted: days since 1970
  std::optional<std::int64_t> date_time();  // "01-Feb-1994 12:00:00 +0100": seconds since 1970

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// RFC 3501 section 6.3.8: "*" matches anything, "%" anything but the separator. Linear in the
// product of the lengths.
bool list_matches(std::string_view pattern, std::string_view name, char separator);

}  // namespace posthorn::imap
