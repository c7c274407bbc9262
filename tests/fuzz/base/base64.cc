// Base64 as the protocols take it has one spelling for each text: what decodes, encodes to the very
// same letters, and every text encodes to letters that decode to it.
#include "base/base64.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const std::string encoded = encode_base64(text);
  test::require(encoded.size() == (text.size() + 2) / 3 * 4);
  test::require(decode_base64(encoded) == text);
  if (const auto decoded = decode_base64(text)) {
    test::require(decoded->size() <= text.size() / 4 * 3);
    test::require(encode_base64(*decoded) == text);
  }
  return 0;
}
