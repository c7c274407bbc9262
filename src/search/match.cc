#include "search/match.h"

#include <algorithm>
#include <chrono>

#include "base/ascii.h"
#include "message/address.h"
#include "message/charset.h"
#include "message/headers.h"

namespace posthorn::search {
namespace {

using Kind = Key::Kind;

constexpr int kDepthMax = 100;  // of parts inside parts

bool in_ranges(const Ranges& ranges, std::uint32_t n) {
  const auto at = std::ranges::upper_bound(ranges, n, {}, &Ranges::value_type::first);
  return at != ranges.begin() && n <= std::prev(at)->second;
}

// needle is folded already.
bool text_holds(std::string_view text, const std::string& needle) {
  return message::fold_for_search(text).find(needle) != std::string::npos;
}

// "Fri, 21 Nov 1997 09:55:06 -0600": the day as it is written, whatever the zone (RFC 3501:
// disregarding it), in days since 1970.
std::optional<std::int64_t> sent_day(std::string_view date) {
  static constexpr std::string_view kMonths[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                 "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
  const std::size_t begin = date.find_first_of("0123456789");
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view words = date.substr(begin, 11);
  const std::size_t dash = words.find_first_of(" -");
  if (dash > 2 || words.size() < dash + 9 || (words[dash + 4] != ' ' && words[dash + 4] != '-'))
    return std::nullopt;
  const auto day = to_number<unsigned>(words.substr(0, dash));
  const auto year = to_number<unsigned>(words.substr(dash + 5, 4));
  const auto* const month = std::ranges::find_if(kMonths, [&](std::string_view name) {
    return equals_ignoring_case(words.substr(dash + 1, 3), name);
  });
  if (!day || !year || month == std::end(kMonths)) return std::nullopt;
  const std::chrono::year_month_day found(
      std::chrono::year(static_cast<int>(*year)),
      std::chrono::month(static_cast<unsigned>(month - std::begin(kMonths)) + 1),
      std::chrono::day(*day));
  if (!found.ok()) return std::nullopt;
  return std::chrono::sys_days(found).time_since_epoch().count();
}

bool day_holds(const Key& key, std::optional<std::string_view> date) {
  const auto sent = sent_day(date.value_or(""));
  if (!sent) return false;
  return key.kind == Kind::sent_before ? *sent < key.number
         : key.kind == Kind::sent_on   ? *sent == key.number
                                       : *sent >= key.number;
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
bool value_holds(const Key& key, std::string_view value) {
  if (key.text.empty() || text_holds(message::decode_words(value), key.text)) return true;
  const auto name = find_field_name(key.name);
  return name && has_addresses(*name) && text_holds(written_addresses(value), key.text);
}

bool flag_holds(const Key& key, const Marks& marks) {
  switch (key.kind) {
    case Kind::flag:
      return (marks.flags & key.flag) != 0;
    case Kind::no_flag:
      return (marks.flags & key.flag) == 0;
    case Kind::recent:
      return marks.is_recent;
    case Kind::old:
      return !marks.is_recent;
    case Kind::is_new:
      return marks.is_recent && (marks.flags & flag::seen) == 0;
    default:
      return (marks.has_keyword && marks.has_keyword(key.text)) == (key.kind == Kind::keyword);
  }
}

}  // namespace

std::optional<bool> leaf_from_marks(const Key& key, const Marks& marks) {
  const std::int64_t day = marks.internal_date / 86'400;
  const auto size = static_cast<std::int64_t>(marks.wire_size);
  switch (key.kind) {
    case Kind::all:
      return true;
    case Kind::sequence:
      return in_ranges(key.ranges, marks.sequence);
    case Kind::uid:
      return in_ranges(key.ranges, marks.uid);
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
    case Kind::email_id:
      return false;
    default:
      return flag_holds(key, marks);
  }
}

std::optional<bool> leaf_from_header(const Key& key, const HeaderFacts& facts) {
  switch (key.kind) {
    case Kind::sent_before:
    case Kind::sent_on:
    case Kind::sent_since: {
      const Field* const date = facts.find(FieldName::date);
      return day_holds(key, date == nullptr ? std::nullopt : std::optional(date->value));
    }
    case Kind::header: {
      const auto name = find_field_name(key.name);
      if (!name) return std::nullopt;
      return std::ranges::any_of(facts.fields, [&](const Field& field) {
        return field.name == *name && value_holds(key, field.value);
      });
    }
    default:
      return std::nullopt;
  }
}

Text Text::of_header(std::string header) {
  Text text;
  text.wire_ = std::move(header);
  text.root_.body_begin = text.root_.body_end = text.wire_.size();
  return text;
}

Text Text::of_message(std::string wire) {
  Text text;
  text.wire_ = std::move(wire);
  text.root_ = message::parse_parts(text.wire_);
  return text;
}

bool Text::holds(const Key& key) const {
  const std::string_view header = std::string_view(wire_).substr(0, root_.body_begin);
  if (key.kind == Kind::body) return part_holds(root_, key.text, 0);
  if (key.kind == Kind::text)
    return text_holds(header, key.text) || text_holds(message::decode_words(header), key.text) ||
           part_holds(root_, key.text, 0);
  const message::Headers headers(header);
  if (key.kind != Kind::header) return day_holds(key, headers.find("Date"));
  return std::ranges::any_of(headers.find_all(key.name),
                             [&](const std::string& value) { return value_holds(key, value); });
}

bool Text::part_holds(const message::Part& part, const std::string& needle, int depth) const {
  // A message inside that is encoded, against RFC 2045 section 6.4, is searched as a text.
  const bool is_encoded = part.encoding == "base64" || part.encoding == "quoted-printable";
  if (part.is_multipart() || (part.is_message() && !is_encoded)) {
    return depth < kDepthMax &&
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

}  // namespace posthorn::search
