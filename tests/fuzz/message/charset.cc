// Any bytes in any charset (its name is the first line): what comes out is UTF-8 whatever came in,
// is there if and only if the charset is one, and is itself under conversion; folding for a search
// gives UTF-8 that folds to itself.
#include "message/charset.h"

#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

// RFC 3629 section 4: no overlong form, no surrogate, nothing over U+10FFFF.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) -> unsigned {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    const unsigned c = byte(i);
    const std::size_t length = c < 0x80   ? 1
                               : c < 0xC2 ? 0
                               : c < 0xE0 ? 2
                               : c < 0xF0 ? 3
                               : c < 0xF5 ? 4
                                          : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xC0U) != 0x80U) return false;
    if ((c == 0xE0 && byte(i + 1) < 0xA0) || (c == 0xED && byte(i + 1) > 0x9F) ||
        (c == 0xF0 && byte(i + 1) < 0x90) || (c == 0xF4 && byte(i + 1) > 0x8F))
      return false;
    i += length;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = test::text_of(data, size);
  const std::string_view charset = test::take_line(rest);
  const bool is_known = message::is_charset(charset);
  const auto utf8 = message::to_utf8(rest, charset);
  test::require(utf8.has_value() == is_known);
  const std::string text = utf8.value_or(message::to_utf8(rest, "UTF-8").value());
  test::require(is_utf8(text));
  test::require(message::to_utf8(text, "UTF-8") == text);
  const std::string folded = message::fold_for_search(text);
  test::require(is_utf8(folded));
  test::require(message::fold_for_search(rest).size() <= rest.size() * 64 + 64);
  return 0;
}
