#include "imap/server/search_match.h"

#include <algorithm>

#include "base/ascii.h"
#include "message/address.h"
#include "message/charset.h"
#include "message/headers.h"
#include "store/line_ends.h"

namespace posthorn::imap {
namespace {

bool in_ranges(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& ranges,
               std::uint32_t n) {
  const auto at =
      std::ranges::upper_bound(ranges, n, {}, &std::pair<std::uint32_t, std::uint32_t>::first);
  return at != ranges.begin() && n <= std::prev(at)->second;
}

// needle is folded already.
bool text_holds(std::string_view text, const std::string& needle) {
  return message::fold_for_search(text).find(needle) != std::string::npos;
}

// "Fri, 21 Nov 1997 09:55:06 -0600": the day as it is written, whatever the zone (RFC 3501:
// disregarding it).
std::optional<std::int64_t> sent_day(const std::string& date) {
  const std::size_t begin = date.find_first_of("0123456789");
  if (begin == std::string::npos) return std::nullopt;
  std::string words = date.substr(begin, 14);
  std::replace(words.begin(), words.end(), ' ', '-');
  const std::size_t second = words.find('-', words.find('-') + 1);
  if (second == std::string::npos) return std::nullopt;
  Parser parser(words);
  const std::string day = "\"" + words.substr(0, second + 5) + "\"";
  return Parser(day).date();
}

bool has_addresses(std::string_view field) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"From", "To", "Cc", "Bcc", "Sender", "Reply-To"},
      [&](std::string_view name) { return equals_ignoring_case(name, field); });
}

// The addresses of a field as ENVELOPE tells them, "Ann <a@b.test>", one a line: comments and
// folding may stand inside an address.
std::string written_addresses(std::string_view value) {
  std::string out;
  for (const message::Address& address : message::parse_addresses(value)) {
    if (!address.mailbox) continue;  // the end of a group
    out += message::decode_words(address.name.value_or("")) + " <" + *address.mailbox;
    if (address.host) out += "@" + *address.host;
    out += ">\n";
  }
  return out;
}

// RFC 3501 section 6.4.4: FROM looks at the envelope's address, HEADER at the field; clients take
// the one for the other, so that either may hold the text.
bool header_holds(const message::Headers& headers, const SearchKey& key) {
  return std::ranges::any_of(headers.find_all(key.name), [&](const std::string& value) {
    return key.text.empty() || text_holds(message::decode_words(value), key.text) ||
           (has_addresses(key.name) && text_holds(written_addresses(value), key.text));
  });
}

bool flag_holds(const SearchKey& key, const SearchFacts& facts) {
  using Kind = SearchKey::Kind;
  const bool is_seen = (facts.entry.flags & store::flag::seen) != 0;
  switch (key.kind) {
    case Kind::flag:
      return (facts.entry.flags & key.flag) != 0;
    case Kind::no_flag:
      return (facts.entry.flags & key.flag) == 0;
    case Kind::recent:
      return facts.is_recent;
    case Kind::old:
      return !facts.is_recent;
    case Kind::is_new:
      return facts.is_recent && !is_seen;
    default:
      return (facts.keywords && facts.keywords->is_one_of(facts.entry.keywords, key.text)) ==
             (key.kind == Kind::keyword);
  }
}

}  // namespace

std::optional<bool> leaf_from_memory(const SearchKey& key, const SearchFacts& facts) {
  using Kind = SearchKey::Kind;
  const std::int64_t day = facts.entry.internal_date / 86'400;
  const auto size = static_cast<std::int64_t>(facts.entry.wire_size);
  switch (key.kind) {
    case Kind::all:
      return true;
    case Kind::sequence:
      return in_ranges(key.ranges, facts.sequence);
    case Kind::uid:
      return in_ranges(key.ranges, facts.entry.uid);
    case Kind::before:
      return day < key.number;
    case Kind::on:
      return day == key.number;
    case Kind::since:
      return day >= key.number;
    case Kind::larger:
      return size > key.number;
    case Kind::smaller:
      return size < key.number;
    case Kind::sent_before:
    case Kind::sent_on:
    case Kind::sent_since:
    case Kind::header:
    case Kind::body:
    case Kind::text:
      return std::nullopt;
    default:
      return flag_holds(key, facts);
  }
}

SearchText::SearchText(std::string wire, bool is_whole) : wire_(std::move(wire)) {
  if (is_whole) {
    root_ = message::parse_parts(wire_);
  } else {
    root_.body_begin = root_.body_end = wire_.size();
  }
}

bool SearchText::holds(const SearchKey& key) const {
  using Kind = SearchKey::Kind;
  const std::string_view header = std::string_view(wire_).substr(0, root_.body_begin);
  if (key.kind == Kind::body) return part_holds(root_, key.text, 0);
  if (key.kind == Kind::text)
    return text_holds(header, key.text) || text_holds(message::decode_words(header), key.text) ||
           part_holds(root_, key.text, 0);
  const message::Headers headers(header);
  if (key.kind == Kind::header) return header_holds(headers, key);
  const auto sent = sent_day(headers.find("Date").value_or(""));
  if (!sent) return false;
  return key.kind == Kind::sent_before ? *sent < key.number
         : key.kind == Kind::sent_on   ? *sent == key.number
                                       : *sent >= key.number;
}

bool SearchText::part_holds(const message::Part& part, const std::string& needle, int depth) const {
  // A message inside that is encoded, against RFC 2045 section 6.4, is searched as a text.
  const bool is_encoded = part.encoding == "base64" || part.encoding == "quoted-printable";
  if (part.is_multipart() || (part.is_message() && !is_encoded)) {
    return depth < kNestingMax &&
           std::ranges::any_of(
               part.children,
               [&](const message::Part& child) { return part_holds(child, needle, depth + 1); });
  }
  if (part.type != "text" && part.type != "message") return false;
  const std::string text = message::decode_transfer(
      std::string_view(wire_).substr(part.body_begin, part.body_end - part.body_begin),
      part.encoding);
  const auto charset = std::ranges::find_if(part.parameters, [](const auto& parameter) {
    return equals_ignoring_case(parameter.first, "charset");
  });
  if (charset != part.parameters.end())
    if (const auto converted = message::to_utf8(text, charset->second))
      return text_holds(*converted, needle);
  return text_holds(text, needle);
}

Result<SearchText> SearchText::read(const store::OpenMessage& opened, bool needs_body) {
  store::CrlfReader reader(opened.file, 0, opened.size);
  if (needs_body) {
    TRY(std::string wire, reader.read_all(opened.wire_size + 1));
    return SearchText(std::move(wire), true);
  }
  message::HeaderCollector header;
  std::string piece;
  while (!header.is_whole()) {
    piece.resize(16'384);
    TRY(const std::size_t n, reader.read(piece));
    if (n == 0) break;
    header.feed(std::string_view(piece).substr(0, n));
  }
  header.finish();
  return SearchText(header.block(), false);
}

}  // namespace posthorn::imap
