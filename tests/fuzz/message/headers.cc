// Any bytes as a message: its header is found at the same place whether it comes whole or in
// pieces, the fields lie inside the block one behind the other, and unfolding leaves no line end.
#include "message/headers.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const test::Pieces pieces(test::text_of(data, size));
  const std::string_view text = pieces.text();
  const auto end = message::find_header_end(text, message::Input::whole);
  test::require(end && end->header_size <= end->body_begin && end->body_begin <= text.size());
  test::require(end->body_begin - end->header_size <= 2);

  message::HeaderCollector collector;
  pieces.each([&](std::string_view piece) { collector.feed(piece); });
  collector.finish();
  test::require(collector.is_whole() && collector.block() == text.substr(0, end->header_size));

  const std::string_view block = text.substr(0, end->header_size);
  const message::Headers headers(block);
  const char* at = block.data();
  for (const message::Field& field : headers.fields()) {
    test::require(field.raw.data() >= at &&
                  field.raw.data() + field.raw.size() <= block.data() + block.size());
    at = field.raw.data() + field.raw.size();
    test::require(field.raw.starts_with(field.name) && !field.name.empty());
    test::require(field.name.find_first_of(": \t\r\n") == std::string_view::npos);
    test::require(field.value.data() > field.name.data() &&
                  field.value.data() + field.value.size() <= at);
    const std::string value = message::unfold(field.value);
    test::require(value.find_first_of("\r\n") == std::string::npos);
    test::require(message::unfold(value) == value);
    const auto first = headers.find(field.name);
    test::require(first && headers.count(field.name) == headers.find_all(field.name).size());
    test::require(*first == headers.find_all(field.name).front());
    if (headers.fields().size() > 50) break;  // the lookups would make it quadratic
  }
  return 0;
}
