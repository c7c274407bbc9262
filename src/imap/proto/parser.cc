#include "imap/proto/parser.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace posthorn::imap {
namespace {

bool is_atom_char(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u > 0x20 && u < 0x7F && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
}

char fold(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
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
    if (!equals(text.substr(first + 1, 3), kMonths[month])) continue;
    const auto date = std::chrono::year(year) / std::chrono::month(month + 1) /
                      std::chrono::day(static_cast<unsigned>(day));
    if (day < 1 || !date.ok()) return std::nullopt;
    return std::chrono::sys_days(date).time_since_epoch().count();
  }
  return std::nullopt;
}

constexpr std::string_view kMutf7 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0U | c >> 6U);
    out += static_cast<char>(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0U | c >> 12U);
    out += static_cast<char>(0x80U | (c >> 6U & 0x3FU));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  } else {
    out += static_cast<char>(0xF0U | c >> 18U);
    out += static_cast<char>(0x80U | (c >> 12U & 0x3FU));
    out += static_cast<char>(0x80U | (c >> 6U & 0x3FU));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  }
}

// The base64 run between & and -: UTF-16BE units, whole, with zero padding bits and paired
// surrogates.
bool decode_run(std::string_view run, std::string& out) {
  std::uint32_t bits = 0;
  int count = 0;
  std::vector<std::uint16_t> units;
  for (const char c : run) {
    const std::size_t value = kMutf7.find(c);
    if (value == std::string_view::npos) return false;
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 16) {
      count -= 16;
      units.push_back(static_cast<std::uint16_t>(bits >> count & 0xFFFFU));
      bits &= (1U << count) - 1U;
    }
  }
  if (count >= 6 || bits != 0 || units.empty()) return false;
  for (std::size_t i = 0; i < units.size(); ++i) {
    char32_t c = units[i];
    if (c >= 0xD800 && c < 0xDC00) {
      if (i + 1 == units.size() || units[i + 1] < 0xDC00 || units[i + 1] > 0xDFFF) return false;
      c = 0x10000 + ((c - 0xD800) << 10U) + (units[++i] - 0xDC00U);
    } else if (c >= 0xDC00 && c <= 0xDFFF) {
      return false;
    } else if (c >= 0x20 && c < 0x7F) {
      return false;  // what can stand for itself must
    }
    if (c < 0x20 || c == 0x7F) return false;
    append_utf8(out, c);
  }
  return true;
}

}  // namespace

bool equals(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return fold(x) == fold(y); });
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = fold(c);
  return out;
}

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
  if (!equals(text_.substr(at_, word.size()), word)) return false;
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

std::optional<std::string> decode_mutf7(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto u = static_cast<unsigned char>(text[i]);
    if (u < 0x20 || u >= 0x7F) return std::nullopt;
    if (text[i] != '&') {
      out += text[i];
      continue;
    }
    const std::size_t end = text.find('-', i);
    if (end == std::string_view::npos) return std::nullopt;
    if (end == i + 1)
      out += '&';
    else if (!decode_run(text.substr(i + 1, end - i - 1), out))
      return std::nullopt;
    i = end;
  }
  return out;
}

std::string encode_mutf7(std::string_view utf8) {
  std::string out;
  std::vector<std::uint16_t> units;
  const auto flush = [&] {
    if (units.empty()) return;
    out += '&';
    std::uint32_t bits = 0;
    int count = 0;
    for (const std::uint16_t unit : units) {
      bits = bits << 16U | unit;
      count += 16;
      while (count >= 6) {
        count -= 6;
        out += kMutf7[bits >> count & 63U];
      }
      bits &= (1U << count) - 1U;
    }
    if (count > 0) out += kMutf7[bits << (6 - count) & 63U];
    out += '-';
    units.clear();
  };
  for (std::size_t i = 0; i < utf8.size();) {
    const auto u = static_cast<unsigned char>(utf8[i]);
    if (u < 0x80) {
      flush();
      out += utf8[i];
      if (u == '&') out += '-';
      ++i;
      continue;
    }
    const std::size_t length = u >= 0xF0 ? 4 : u >= 0xE0 ? 3 : 2;
    char32_t c = u & (0xFFU >> (length + 1));
    for (std::size_t j = 1; j < length && i + j < utf8.size(); ++j)
      c = c << 6U | (static_cast<unsigned char>(utf8[i + j]) & 0x3FU);
    if (c >= 0x10000) {
      units.push_back(static_cast<std::uint16_t>(0xD800U + ((c - 0x10000U) >> 10U)));
      units.push_back(static_cast<std::uint16_t>(0xDC00U + ((c - 0x10000U) & 0x3FFU)));
    } else {
      units.push_back(static_cast<std::uint16_t>(c));
    }
    i += length;
  }
  flush();
  return out;
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
