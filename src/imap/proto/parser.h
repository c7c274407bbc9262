// The grammar of IMAP commands (RFC 3501 section 9, RFC 7888, RFC 4959): a cursor over one whole
// command, its literals standing in it as they came ("{3}\r\nabc"). Bytes in, values or "this is no
// such thing" out; nesting and counts capped. More blanks than the grammar has are passed over
// between arguments, inside parentheses and at the end, as Dovecot does: clients rely on it.
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

  // Nothing but blanks is left. Every command asks this before it does anything: what is cut off
  // must not be carried out ("DELETE Old Mail").
  bool at_end() const { return text_.find_first_not_of(' ', at_) == std::string_view::npos; }
  char peek() const { return at_ == text_.size() ? '\0' : text_[at_]; }
  std::string_view rest() const { return text_.substr(at_); }
  // Each reads what it names and moves on, or gives nothing and leaves the place as it was.
  bool take(char c);
  bool take_space();  // one blank, or several
  // A list: take_open(), then an item, as long as take_next() says that another one follows, then
  // take_close(). A list without parentheses ends where the command does.
  bool take_open();                       // "(" and blanks
  bool take_next();                       // blanks with something behind them that does not close
  bool take_close();                      // blanks and ")"
  bool take_word(std::string_view word);  // in any case
  std::optional<std::string> atom();
  std::optional<std::string> tag();
  std::optional<std::string> string();  // quoted or literal
  std::optional<std::string> astring();
  std::optional<std::string> list_mailbox();  // an astring that may have wildcards
  std::optional<std::uint64_t> number();
  std::optional<SequenceSet> sequence_set();
  std::optional<std::vector<std::string>> flags();  // "(\Seen x)" or "\Seen x"
  std::optional<std::int64_t> date();               // 1-Feb-1994 or quoted: days since 1970
  // "01-Feb-1994 12:00:00 +0100" or "1-Feb-1994 …": seconds since 1970. A day or time that there
  // is not ("31-Feb", "24:00") is read as no date at all, a zone that is no number as UTC.
  struct DateTime {
    std::optional<std::int64_t> seconds;
  };
  std::optional<DateTime> date_time();

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// RFC 2971 section 3.3: what follows "ID", up to the command's end: nothing, NIL, or names and
// values. Of what a client says of itself nothing is kept.
bool take_id(Parser& parser);

// RFC 3501 section 6.3.8: "*" matches anything, "%" anything but the separator. Linear in the
// product of the lengths.
bool list_matches(std::string_view pattern, std::string_view name, char separator);

}  // namespace posthorn::imap
