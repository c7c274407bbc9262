// An mbox file is read the same in whatever pieces, and what was read comes back after it was
// written.
#include "message/mbox.h"

#include "tests/support/fuzz.h"

using namespace posthorn;

static std::vector<message::MboxMessage> take_all(message::MboxReader& reader) {
  std::vector<message::MboxMessage> found;
  while (auto one = reader.take()) found.push_back(*std::move(one));
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::Pieces input(test::text_of(data, size));
  message::MboxReader whole, cut;
  whole.feed(input.text());
  whole.finish();
  input.each([&](std::string_view piece) { cut.feed(piece); });
  cut.finish();
  const auto found = take_all(whole);
  const auto again = take_all(cut);
  test::require(found.size() == again.size());
  std::string file;
  for (std::size_t i = 0; i < found.size(); ++i) {
    test::require(found[i].text == again[i].text && found[i].marks == again[i].marks);
    file += message::format_mbox_message(found[i]);
  }
  message::MboxReader back;
  back.feed(file);
  back.finish();
  test::require(take_all(back).size() == found.size());
  return 0;
}
