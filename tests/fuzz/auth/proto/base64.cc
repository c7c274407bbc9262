// Base64 as the protocols take it has one spelling for each text: what decodes, encodes to the very
// same letters, and every text encodes to letters that decode to it.
#include "auth/proto/base64.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const std::string encoded = auth::encode_base64(text);
  test::require(encoded.size() == (text.size() + 2) / 3 * 4);
  test::require(auth::decode_base64(encoded) == text);
  if (const auto decoded = auth::decode_base64(text)) {
    test::require(decoded->size() <= text.size() / 4 * 3);
    test::require(auth::encode_base64(*decoded) == text);
  }
  return 0;
}
