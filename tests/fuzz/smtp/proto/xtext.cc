// xtext and the XFORWARD attributes written in it: what is decoded holds no control character and
// is read back from what we write of it; any text that we write is plain.
#include "smtp/proto/command.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  if (const auto decoded = smtp::decode_xtext(text)) {
    test::require(!test::has_control(*decoded) && decoded->size() <= text.size());
    test::require(smtp::decode_xtext(smtp::encode_xtext(*decoded)) == decoded);
  }
  const std::string written = smtp::encode_xtext(text);
  test::require(
      std::ranges::all_of(written, [](char c) { return c > 0x20 && c < 0x7F && c != '='; }));
  const auto back = smtp::decode_xtext(written);
  test::require(test::has_control(text) ? !back : back == text);

  const auto attributes = smtp::parse_xforward(text);
  if (!attributes) return 0;
  test::require(!attributes->empty() && attributes->size() <= text.size() / 2 + 1);
  std::string again;
  for (const auto& [name, value] : *attributes) {
    test::require(!test::has_control(value));
    again += name + "=" + smtp::encode_xtext(value) + " ";
  }
  test::require(smtp::parse_xforward(again) == attributes);
  return 0;
}
