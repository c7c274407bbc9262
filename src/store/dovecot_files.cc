#include "store/dovecot_files.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/print.h"
#include "message/mutf7.h"
#include "store/mailbox_name.h"

namespace posthorn::store {
namespace {

// A file's name that would not read back the same from a line has none, as in the uidlist.
bool is_markable(std::string_view base) {
  return !base.empty() && std::ranges::none_of(base, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '/';
  });
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// "26-29,31". What is no number of ours is passed over; nullopt: it is no list.
std::optional<Keywords> parse_numbers(std::string_view list) {
  std::vector<KeywordNumber> numbers;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view range = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    const std::size_t dash = std::min(range.find('-'), range.size());
    const auto first = to_number<std::size_t>(range.substr(0, dash));
    const auto last = dash == range.size() ? first : to_number<std::size_t>(range.substr(dash + 1));
    if (!first || !last || numbers.size() > 2 * kKeywordsMax) return std::nullopt;
    for (std::size_t n = std::max(*first, kKeywordLettersMax);
         n <= std::min(*last, kKeywordsMax - 1); ++n)
      numbers.push_back(static_cast<KeywordNumber>(n));
  }
  if (std::ranges::adjacent_find(numbers, std::ranges::greater_equal()) != numbers.end()) {
    std::ranges::sort(numbers);
    const auto rest = std::ranges::unique(numbers);
    numbers.erase(rest.begin(), rest.end());
  }
  return Keywords::of(numbers);
}

// Version 2 writes \001 as "\0011", tab as "\001t", CR as "\001r", LF as "\001n".
std::string unescape_tabbed(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\t') {
      out += kSeparator;
    } else if (text[i] == '\x01' && i + 1 < text.size()) {
      const char c = text[++i];
      out += c == 't' ? '\t' : c == 'r' ? '\r' : c == 'n' ? '\n' : '\x01';
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> parse_keywords(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const auto bit = to_number<std::size_t>(line.substr(0, space));
    if (!bit || *bit >= kKeywordLettersMax) continue;
    const std::string_view name = line.substr(space + 1);
    if (!is_keyword(name)) continue;
    if (names.size() <= *bit) names.resize(*bit + 1);
    names[*bit] = name;
  }
  return names;
}

std::string format_keywords(std::span<const std::string> names) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kKeywordLettersMax); ++i)
    if (!names[i].empty()) print_to(out, "{} {}\n", i, names[i]);
  return out;
}

HighKeywords parse_high_keywords(std::string_view text) {
  HighKeywords out;
  // What a power cut tore off is no line.
  text = text.substr(0, text.rfind('\n') == std::string_view::npos ? 0 : text.rfind('\n') + 1);
  while (!text.empty()) {
    std::string_view line = take_line(text);
    ++out.lines;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const std::string_view rest = line.substr(space + 1);
    const std::string_view word = line.substr(0, space);
    if (word.starts_with('=') || word.starts_with('#')) {
      std::optional<Keywords> keywords;
      if (word.front() == '#') {
        keywords = parse_numbers(word.substr(1));
      } else if (const auto bits = to_number<std::uint64_t>(word.substr(1), 16)) {
        keywords = Keywords::of_mask(*bits).high();
      }
      if (keywords && is_markable(rest))
        out.marks.insert_or_assign(std::string(rest), *std::move(keywords));
    } else {
      const auto bit = to_number<std::size_t>(word);
      if (!bit || *bit < kKeywordLettersMax || *bit >= kKeywordsMax) continue;
      if (rest.empty() || is_keyword(rest)) out.names.insert_or_assign(*bit, rest);
    }
  }
  return out;
}

void append_high_keyword(std::size_t number, std::string_view name, std::string& out) {
  print_to(out, "{} {}\n", number, name);
}

void append_high_mark(const Keywords& keywords, std::string_view base, std::string& out) {
  if (!is_markable(base)) return;
  out += '#';
  const auto numbers = keywords.high().numbers();
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (i > 0) out += ',';
    print_to(out, "{}", numbers[i]);
    if (last != i) print_to(out, "-{}", numbers[last]);
    i = last + 1;
  }
  print_to(out, " {}\n", base);
}

bool is_keyword(std::string_view name) {
  if (name.empty() || name.size() > kKeywordLengthMax) return false;
  return std::ranges::all_of(name, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u > 0x20 && u < 0x7F && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
  });
}

Subscriptions parse_subscriptions(std::string_view text) {
  Subscriptions out;
  if (text.starts_with("V\t2\n")) {
    out.is_version_2 = true;
    text.remove_prefix(4);
  }
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) continue;
    const std::string plain = out.is_version_2 ? unescape_tabbed(line) : std::string(line);
    auto utf8 = message::decode_mutf7(plain);
    // Dovecot writes UTF-8 itself when it is told to (mailbox_list_utf8).
    auto name = check_mailbox_name(utf8 ? *utf8 : plain);
    if (!name && plain.ends_with(kSeparator))  // of a folder ".a.b."
      name = check_mailbox_name(plain.substr(0, plain.find_last_not_of(kSeparator) + 1));
    if (name && std::ranges::find(out.names, *name) == out.names.end()) out.names.push_back(*name);
  }
  return out;
}

std::string format_subscriptions(const Subscriptions& subscriptions) {
  std::string out = subscriptions.is_version_2 ? "V\t2\n\n" : "";
  for (const std::string& name : subscriptions.names) {
    std::string line = message::encode_mutf7(name).value_or("");
    if (subscriptions.is_version_2) std::ranges::replace(line, kSeparator, '\t');
    out += line;
    out += '\n';
  }
  return out;
}

std::optional<std::uint32_t> parse_uidvalidity(std::string_view hex) {
  while (!hex.empty() && (hex.back() == '\n' || hex.back() == '\r')) hex.remove_suffix(1);
  if (hex.size() != 8) return std::nullopt;
  return to_number<std::uint32_t>(hex, 16);
}

std::string format_uidvalidity(std::uint32_t value) {
  return fmt::format("{:08x}", value);
}

}  // namespace posthorn::store
