#include "imap/proto/parser.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/ascii.h"

namespace posthorn::imap {
namespace {

bool is_atom_char(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u > 0x20 && u < 0x7F && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
}

constexpr std::string_view kMonths[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                        "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

// The shape of a date, its numbers not yet looked at.
struct Date {
  int day = 0, year = 0;
  unsigned month = 0;
  bool is_one() const { return day > 0 && date().ok(); }
  std::int64_t days() const { return std::chrono::sys_days(date()).time_since_epoch().count(); }

 private:
  std::chrono::year_month_day date() const {
    return std::chrono::year(year) / std::chrono::month(month) /
           std::chrono::day(static_cast<unsigned>(day));
  }
};

std::optional<int> digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return text.empty() ? std::nullopt : std::optional(value);
}

// "1-Feb-1994", "01-Feb-1994" or " 1-Feb-1994".
std::optional<Date> parse_date(std::string_view text) {
  if (text.starts_with(' ') && text.size() == 11) text.remove_prefix(1);
  const std::size_t dash = text.find('-');
  if (dash > 2 || text.size() != dash + 9 || text[dash + 4] != '-') return std::nullopt;
  const auto day = digits(text.substr(0, dash)), year = digits(text.substr(dash + 5));
  if (!day || !year) return std::nullopt;
  for (unsigned month = 0; month < 12; ++month)
    if (equals_ignoring_case(text.substr(dash + 1, 3), kMonths[month]))
      return Date{*day, *year, month + 1};
  return std::nullopt;
}

// "+0130": seconds; as Dovecot, 0 for all that is none ("GMT").
std::int64_t parse_zone(std::string_view text) {
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return 0;
  const auto hours = digits(text.substr(1, 2)), minutes = digits(text.substr(3, 2));
  if (!hours || !minutes) return 0;
  return (text[0] == '-' ? -60 : 60) * (*hours * 60 + *minutes);
}

std::optional<Parser::DateTime> parse_date_time(std::string_view text) {
  const std::size_t space = text.find(' ', 1);
  if (space == std::string_view::npos || text.size() < space + 10) return std::nullopt;
  const auto date = parse_date(text.substr(0, space));
  const std::string_view clock = text.substr(space + 1, 9);  // with the blank behind it
  const auto hour = digits(clock.substr(0, 2)), minute = digits(clock.substr(3, 2)),
             second = digits(clock.substr(6, 2));
  if (!date || !hour || !minute || !second || clock[2] != ':' || clock[5] != ':' || clock[8] != ' ')
    return std::nullopt;
  // RFC 3501 section 9 asks for two-digit numbers, not for a day that there is; Dovecot takes them
  // as no date, and clients move old mail with what its Date field gave them.
  if (!date->is_one() || *hour > 23 || *minute > 59 || *second > 60) return Parser::DateTime{};
  return Parser::DateTime{date->days() * 86'400 + *hour * 3600 + *minute * 60 +
                          std::min(*second, 59) - parse_zone(text.substr(space + 10))};
}

}  // namespace

std::optional<LiteralMark> find_literal_mark(std::string_view line) {
  if (!line.ends_with('}')) return std::nullopt;
  const std::size_t brace = line.rfind('{');
  if (brace == std::string_view::npos) return std::nullopt;
  std::string_view digits = line.substr(brace + 1, line.size() - brace - 2);
  LiteralMark mark;
  if (digits.ends_with('+')) {
    mark.synchronizing = false;
    digits.remove_suffix(1);
  }
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), mark.size);
  if (digits.empty() || end != digits.data() + digits.size()) return std::nullopt;
  if (error != std::errc{}) mark.size = UINT64_MAX;
  return mark;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> SequenceSet::resolve(
    std::uint32_t last) const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
  if (last == 0) return out;
  for (auto [a, b] : ranges) {
    if (a == 0) a = last;
    if (b == 0) b = last;
    if (a > b) std::swap(a, b);
    out.emplace_back(a, b);
  }
  std::ranges::sort(out);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < out.size(); ++i) {
    if (out[i].first <= out[kept].second || out[i].first - 1 == out[kept].second)
      out[kept].second = std::max(out[kept].second, out[i].second);
    else
      out[++kept] = out[i];
  }
  if (!out.empty()) out.resize(kept + 1);
  return out;
}

bool Parser::take(char c) {
  if (at_ == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

bool Parser::take_space() {
  const std::size_t begin = at_;
  while (take(' ')) {
  }
  return at_ > begin;
}

bool Parser::take_open() {
  if (!take('(')) return false;
  (void)take_space();
  return true;
}

bool Parser::take_next() {
  const std::size_t begin = at_;
  if (take_space() && at_ < text_.size() && text_[at_] != ')') return true;
  at_ = begin;
  return false;
}

bool Parser::take_close() {
  const std::size_t begin = at_;
  (void)take_space();
  if (take(')')) return true;
  at_ = begin;
  return false;
}

bool Parser::take_word(std::string_view word) {
  if (!equals_ignoring_case(text_.substr(at_, word.size()), word)) return false;
  at_ += word.size();
  return true;
}

std::optional<std::string> Parser::atom() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_atom_char(text_[at_])) ++at_;
  if (at_ == begin) return std::nullopt;
  return std::string(text_.substr(begin, at_ - begin));
}

std::optional<std::string> Parser::tag() {
  const std::size_t begin = at_;
  while (at_ < text_.size() &&
         ((is_atom_char(text_[at_]) && text_[at_] != '+') || text_[at_] == ']'))
    ++at_;
  if (at_ == begin || at_ - begin > 128) {
    at_ = begin;
    return std::nullopt;
  }
  return std::string(text_.substr(begin, at_ - begin));
}

std::optional<std::string> Parser::string() {
  const std::size_t begin = at_;
  if (take('"')) {
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') ++at_;
      if (at_ == text_.size() || text_[at_] == '\r' || text_[at_] == '\n') break;
      value += text_[at_++];
    }
    if (take('"')) return value;
  } else if (peek() == '{') {
    // Up to the first brace that closes: "{x {3}" announces nothing.
    const std::size_t end = text_.find('}', at_);
    const std::string_view braces =
        text_.substr(at_, end == std::string_view::npos ? end : end + 1 - at_);
    const auto mark =
        braces.rfind('{') == 0 && text_.substr(at_ + braces.size()).starts_with("\r\n")
            ? find_literal_mark(braces)
            : std::nullopt;
    if (mark && mark->size <= text_.size() - end - 3) {
      at_ = end + 3 + static_cast<std::size_t>(mark->size);
      return std::string(text_.substr(end + 3, static_cast<std::size_t>(mark->size)));
    }
  }
  at_ = begin;
  return std::nullopt;
}

std::optional<std::string> Parser::astring() {
  if (peek() == '"' || peek() == '{') return string();
  const std::size_t begin = at_;
  while (at_ < text_.size() && (is_atom_char(text_[at_]) || text_[at_] == ']')) ++at_;
  if (at_ == begin) return std::nullopt;
  return std::string(text_.substr(begin, at_ - begin));
}

std::optional<std::string> Parser::list_mailbox() {
  if (peek() == '"' || peek() == '{') return string();
  const std::size_t begin = at_;
  while (at_ < text_.size() && (is_atom_char(text_[at_]) ||
                                std::string_view("]%*").find(text_[at_]) != std::string_view::npos))
    ++at_;
  if (at_ == begin) return std::nullopt;
  return std::string(text_.substr(begin, at_ - begin));
}

std::optional<std::uint64_t> Parser::number() {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
  if (error != std::errc{}) return std::nullopt;
  at_ = static_cast<std::size_t>(end - text_.data());
  return value;
}

std::optional<SequenceSet> Parser::sequence_set() {
  const std::size_t begin = at_;
  SequenceSet set;
  const auto one = [&]() -> std::optional<std::uint32_t> {
    if (take('*')) return 0;
    const auto n = number();
    if (!n || *n == 0 || *n > UINT32_MAX) return std::nullopt;
    return static_cast<std::uint32_t>(*n);
  };
  do {
    const auto a = one();
    auto b = a;
    if (a && take(':')) b = one();
    if (!a || !b || set.ranges.size() >= kRangesMax) {
      at_ = begin;
      return std::nullopt;
    }
    set.ranges.emplace_back(*a, *b);
  } while (take(','));
  return set;
}

std::optional<std::vector<std::string>> Parser::flags() {
  const std::size_t begin = at_;
  const auto wrong = [&] {
    at_ = begin;
    return std::nullopt;
  };
  std::vector<std::string> found;
  const bool parenthesised = take_open();
  if (parenthesised && take_close()) return found;
  do {
    std::string flag;
    if (take('\\')) flag = "\\";
    const auto name = atom();
    // How many there may be is for the line's limit and the mailbox to say.
    if (!name || name->size() > 128) return wrong();
    found.push_back(flag + *name);
  } while (take_next());
  if (parenthesised && !take_close()) return wrong();
  return found;
}

std::optional<std::int64_t> Parser::date() {
  const std::size_t begin = at_;
  const auto text = peek() == '"' ? string() : atom();
  const auto day = text ? parse_date(*text) : std::nullopt;
  if (day && day->is_one()) return day->days();
  at_ = begin;
  return std::nullopt;
}

std::optional<Parser::DateTime> Parser::date_time() {
  const std::size_t begin = at_;
  const auto text = peek() == '"' ? string() : std::nullopt;
  if (auto found = text ? parse_date_time(*text) : std::nullopt) return found;
  at_ = begin;
  return std::nullopt;
}

bool take_id(Parser& parser) {
  if (parser.at_end()) return true;
  if (!parser.take_space()) return false;
  if (!parser.take_open()) return parser.take_word("NIL") && parser.at_end();
  if (parser.take_close()) return parser.at_end();
  do {
    if (!parser.astring()) return false;  // NIL among them
  } while (parser.take_next());
  return parser.take_close() && parser.at_end();
}

bool list_matches(std::string_view pattern, std::string_view name, char separator) {
  // One row of reachable name positions a pattern character: no backtracking, so no exponential
  // pattern.
  std::vector<char> row(name.size() + 1, 0), next;
  row[0] = 1;
  for (const char p : pattern) {
    next.assign(name.size() + 1, 0);
    bool open = false;
    for (std::size_t i = 0; i <= name.size(); ++i) {
      if (p == '*' || p == '%') {
        if (i > 0 && p == '%' && name[i - 1] == separator) open = false;
        open = open || row[i] != 0;
        next[i] = open ? 1 : 0;
      } else if (i > 0) {
        next[i] = row[i - 1] != 0 && name[i - 1] == p ? 1 : 0;
      }
    }
    row.swap(next);
  }
  return row[name.size()] != 0;
}

}  // namespace posthorn::imap
