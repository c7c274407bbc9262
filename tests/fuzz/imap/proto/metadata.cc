// Any bytes as what GETMETADATA and SETMETADATA ask for: what is read is within its bounds, a
// command that goes on behind its end is none, and a value that is told is read back the same.
#include "imap/proto/metadata.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string text(test::text_of(data, size));
  const std::string closed = text + ")";
  imap::Parser options(text);
  if (!imap::take_metadata_options(options)) test::require(options.rest() == text);
  imap::Parser entries(text), entries_closed(closed);
  if (const auto read = imap::parse_entries(entries)) {
    test::require(entries.at_end() && !read->empty());
    test::require(!imap::parse_entries(entries_closed));
  }
  imap::Parser values(text), values_closed(closed);
  const auto read = imap::parse_entry_values(values);
  if (!read) return 0;
  test::require(values.at_end() && !read->empty());
  test::require(!imap::parse_entry_values(values_closed));
  for (const imap::EntryValue& one : *read) {
    test::require(imap::is_within(one.name, one.name, imap::Depth::none));
    std::string told = "(/x ";
    imap::append_value(told, one.value);
    told += ')';
    imap::Parser again(told);
    const auto same = imap::parse_entry_values(again);
    test::require(same && same->size() == 1 && same->front().value == one.value);
  }
  return 0;
}
