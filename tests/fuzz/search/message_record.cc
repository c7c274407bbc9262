// Any bytes as a message: its record is read again, says what the message says, and answers SEARCH
// as the text does.
#include "search/match.h"
#include "search/record.h"
#include "tests/support/fuzz.h"
#include "tests/support/same_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string text(test::text_of(data, size));
  const std::string record = search::make_record(text);
  const auto facts = search::read_record(record);
  test::require(facts && facts->header && facts->structure);
  const message::Part root = message::parse_parts(text);
  const std::string header = text.substr(0, root.body_begin);
  test::require(test::is_same(*facts->header, header));
  test::require(test::is_same(*facts->structure, root, text));
  const std::string short_record = search::make_header_record(header);
  test::require(search::read_record(short_record)->header == facts->header);

  const search::Text read = search::Text::of_header(header);
  search::Key key;
  key.kind = search::Key::Kind::header;
  for (const char* name : {"Subject", "from", "TO"}) {
    key.name = name;
    for (const char* needle : {"", "a", "@b"}) {
      key.text = needle;
      test::require(search::leaf_from_header(key, *facts->header) == read.holds(key));
    }
  }
  key.kind = search::Key::Kind::sent_since;
  key.number = 10'000;
  test::require(search::leaf_from_header(key, *facts->header) == read.holds(key));
  return 0;
}
