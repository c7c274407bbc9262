// Any bytes as what a FETCH asks for: what is read can be asked for again by the label with which
// it is answered, and says the same then; blanks behind it change nothing, more does.
#include "imap/proto/fetch_items.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string text(test::text_of(data, size));
  imap::Parser parser(text);
  const auto items = imap::parse_items(parser);
  if (!items) return 0;
  test::require(parser.at_end());
  const std::string blanks = text + "  ", more = text + " x", closed = text + ")";
  imap::Parser with_blanks(blanks), with_more(more), with_end(closed);
  test::require(imap::parse_items(with_blanks).has_value());
  test::require(!imap::parse_items(with_more) && !imap::parse_items(with_end));
  for (const imap::Section& section : items->sections) {
    test::require(section.path.size() <= imap::kNestingMax && section.fields.size() <= 1000);
    for (const std::uint32_t number : section.path) test::require(number > 0);
    if (section.partial) test::require(section.partial->second > 0);
    if (section.label.starts_with("RFC822")) continue;
    // No string that is told holds a NUL (RFC 3501 section 9).
    if (text.find('\0') != std::string::npos) continue;
    // "BODY[1.HEADER]<0>": a range is answered with its beginning alone.
    std::string label = section.label;
    if (section.partial) {
      test::require(label.ends_with('>'));
      label.pop_back();
      label += "." + std::to_string(section.partial->second) + ">";
    }
    imap::Parser again(label);
    const auto same = imap::parse_items(again);
    test::require(same && same->sections.size() == 1);
    const imap::Section& other = same->sections.front();
    test::require(other.path == section.path && other.kind == section.kind &&
                  other.fields == section.fields && other.partial == section.partial &&
                  other.label == section.label && !other.peek);
  }
  return 0;
}
