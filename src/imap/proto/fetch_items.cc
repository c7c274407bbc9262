#include "imap/proto/fetch_items.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "imap/proto/response.h"

namespace posthorn::imap {
namespace {

std::optional<Section> parse_section(Parser& parser, bool peek) {
  Section section;
  section.peek = peek;
  std::string name;
  while (parser.peek() >= '0' && parser.peek() <= '9') {
    const auto n = parser.number();
    if (!n || *n == 0 || *n > 100'000 || section.path.size() >= kNestingMax) return std::nullopt;
    section.path.push_back(static_cast<std::uint32_t>(*n));
    name += fmt::format("{}{}", name.empty() ? "" : ".", *n);
    if (!parser.take('.')) break;
    if (parser.peek() < '0' || parser.peek() > '9') {
      name += '.';
      break;
    }
  }
  const bool after_dot = name.ends_with('.');
  if (section.path.empty() || after_dot) {
    if (parser.take_word("HEADER.FIELDS.NOT"))
      section.kind = Section::Kind::header_fields_not;
    else if (parser.take_word("HEADER.FIELDS"))
      section.kind = Section::Kind::header_fields;
    else if (parser.take_word("HEADER"))
      section.kind = Section::Kind::header;
    else if (parser.take_word("TEXT"))
      section.kind = Section::Kind::text;
    else if (after_dot && parser.take_word("MIME"))
      section.kind = Section::Kind::mime;
    else if (after_dot)
      return std::nullopt;
  }
  static constexpr std::string_view kNames[] = {
      "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
  name += kNames[static_cast<std::size_t>(section.kind)];
  if (section.kind == Section::Kind::header_fields ||
      section.kind == Section::Kind::header_fields_not) {
    if (!parser.take_space() || !parser.take_open()) return std::nullopt;
    name += " (";
    do {
      const auto field = parser.astring();
      if (!field || section.fields.size() >= 1000) return std::nullopt;
      if (!section.fields.empty()) name += ' ';
      append_astring(name, *field);
      section.fields.push_back(*field);
    } while (parser.take_next());
    if (!parser.take_close()) return std::nullopt;
    (void)parser.take_space();
    name += ')';
  }
  if (!parser.take(']')) return std::nullopt;
  section.label = "BODY[" + name + "]";
  if (parser.take('<')) {
    const auto begin = parser.number();
    if (!begin || !parser.take('.')) return std::nullopt;
    const auto count = parser.number();
    if (!count || *count == 0 || !parser.take('>')) return std::nullopt;
    section.partial = {*begin, *count};
    section.label += fmt::format("<{}>", *begin);
  }
  return section;
}

bool parse_item(Parser& parser, Items& items) {
  if (parser.take_word("BODY.PEEK[")) {
    auto section = parse_section(parser, true);
    if (section) items.sections.push_back(*std::move(section));
    return section.has_value();
  }
  if (parser.take_word("BODY[")) {
    auto section = parse_section(parser, false);
    if (section) items.sections.push_back(*std::move(section));
    return section.has_value();
  }
  const auto word = parser.atom();
  if (!word) return false;
  const std::string name = to_upper(*word);
  const auto add = [&](Section::Kind kind, bool peek, std::string label) {
    Section section;
    section.kind = kind;
    section.peek = peek;
    section.label = std::move(label);
    items.sections.push_back(std::move(section));
  };
  if (name == "UID")
    items.uid = true;
  else if (name == "FLAGS")
    items.flags = true;
  else if (name == "INTERNALDATE")
    items.date = true;
  else if (name == "RFC822.SIZE")
    items.size = true;
  else if (name == "ENVELOPE")
    items.envelope = true;
  else if (name == "BODY")
    items.body = true;
  else if (name == "BODYSTRUCTURE")
    items.structure = true;
  else if (name == "EMAILID")
    items.email_id = true;
  else if (name == "THREADID")
    items.thread_id = true;
  else if (name == "RFC822")
    add(Section::Kind::all, false, "RFC822");
  else if (name == "RFC822.HEADER")
    add(Section::Kind::header, true, "RFC822.HEADER");
  else if (name == "RFC822.TEXT")
    add(Section::Kind::text, false, "RFC822.TEXT");
  else if (name == "ALL")
    items.flags = items.date = items.size = items.envelope = true;
  else if (name == "FAST")
    items.flags = items.date = items.size = true;
  else if (name == "FULL")
    items.flags = items.date = items.size = items.envelope = items.body = true;
  else
    return false;
  return true;
}

}  // namespace

std::optional<Items> parse_items(Parser& parser) {
  Items items;
  if (!parser.take_open()) {
    if (!parse_item(parser, items)) return std::nullopt;
  } else {
    do {
      if (!parse_item(parser, items)) return std::nullopt;
    } while (parser.take_next());
    if (!parser.take_close()) return std::nullopt;
  }
  if (!parser.at_end()) return std::nullopt;
  return items;
}

}  // namespace posthorn::imap
