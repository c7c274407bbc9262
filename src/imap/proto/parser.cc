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

// "1-Feb-1994" or " 1-Feb-1994": days since 1970.
std::optional<std::int64_t> parse_day(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const std::size_t first = text.find('-');
  const std::size_t second = first == std::string_view::npos ? first : text.find('-', first + 1);
  if (second == std::string_view::npos || second - first != 4 || first > 2 || first == 0 ||
      text.size() - second != 5)
    return std::nullopt;
  int day = 0, year = 0;
  if (std::from_chars(text.data(), text.data() + first, day).ptr != text.data() + first)
    return std::nullopt;
  if (std::from_chars(text.data() + second + 1, text.data() + text.size(), year).ptr !=
          text.data() + text.size() ||
      year < 0)
    return std::nullopt;
  for (unsigned month = 0; month < 12; ++month) {
    if (!equals_ignoring_case(text.substr(first + 1, 3), kMonths[month])) continue;
    const auto date = std::chrono::year(year) / std::chrono::month(month + 1) /
                      std::chrono::day(static_cast<unsigned>(day));
    if (day < 1 || !date.ok()) return std::nullopt;
    return std::chrono::sys_days(date).time_since_epoch().count();
  }
  return std::nullopt;
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
  if (peek() != c || at_end()) return false;
  ++at_;
  return true;
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
  const bool parenthesised = take('(');
  if (parenthesised && take(')')) return found;
  do {
    std::string flag;
    if (take('\\')) flag = "\\";
    const auto name = atom();
    if (!name || name->size() > 128 || found.size() > 200) return wrong();
    found.push_back(flag + *name);
  } while (take_space());
  if (parenthesised && !take(')')) return wrong();
  return found;
}

std::optional<std::int64_t> Parser::date() {
  const std::size_t begin = at_;
  const auto text = peek() == '"' ? string() : atom();
  const auto day = text ? parse_day(*text) : std::nullopt;
  if (!day) at_ = begin;
  return day;
}

std::optional<std::int64_t> Parser::date_time() {
  const std::size_t begin = at_;
  const auto text = peek() == '"' ? string() : std::nullopt;
  if (text && text->size() == 26) {
    const auto day = parse_day(std::string_view(*text).substr(0, 11));
    const auto two = [&](std::size_t i) {
      int n = -1;
      std::from_chars(text->data() + i, text->data() + i + 2, n);
      return n;
    };
    const int h = two(12), m = two(15), s = two(18), zh = two(22), zm = two(24);
    const char sign = (*text)[21];
    if (day && h >= 0 && h < 24 && m >= 0 && m < 60 && s >= 0 && s <= 60 && zh >= 0 && zm >= 0 &&
        (sign == '+' || sign == '-'))
      return *day * 86'400 + h * 3600 + m * 60 + s - (sign == '+' ? 1 : -1) * (zh * 3600 + zm * 60);
  }
  at_ = begin;
  return std::nullopt;
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
