// Modified UTF-7 (RFC 3501 section 5.1.3): what decodes encodes back to the same bytes, what
// encodes decodes back to the same name, and nothing that decodes holds a control character.
#include "message/mutf7.h"

#include "base/utf8.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  if (const auto name = message::decode_mutf7(text)) {
    test::require(name->size() <= 2 * text.size() && !test::has_control(*name));
    test::require(is_utf8(*name) && message::encode_mutf7(*name) == text);
  }
  const auto written = message::encode_mutf7(text);
  test::require(written.has_value() == is_utf8(text));
  if (written) {
    test::require(written->size() <= 5 * text.size());
    test::require(std::ranges::all_of(*written, [](char c) { return c >= 0x20 && c < 0x7F; }));
    if (!test::has_control(text)) test::require(message::decode_mutf7(*written) == text);
  }
  return 0;
}
