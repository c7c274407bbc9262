// Any bytes as a header's value: decoding at most doubles it, and leaves what holds no encoded word
// alone; words that we write come back as their text, also behind what only looks like one.
#include "message/part.h"
#include "tests/support/fuzz.h"

namespace {

std::string word(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out = "=?UTF-8?q?";
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    if (c == ' ') {
      out += '_';
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      out += c;
    } else {
      out += '=';
      out += kDigits[u >> 4U];
      out += kDigits[u & 15U];
    }
  }
  return out + "?=";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const std::string decoded = message::decode_words(text);
  test::require(decoded.size() <= 2 * text.size());
  if (text.find("=?") == std::string_view::npos) test::require(decoded == text);

  const std::size_t half = text.size() / 2;
  const std::string first = word(text.substr(0, half)), second = word(text.substr(half));
  test::require(message::decode_words(first) == text.substr(0, half));
  test::require(message::decode_words(first + " \r\n\t" + second) == text);
  test::require(message::decode_words(first + " x " + second) ==
                std::string(text.substr(0, half)) + " x " + std::string(text.substr(half)));
  // "=?" alone is no word, and must not hide the ones behind it.
  test::require(message::decode_words("a=?b " + first) ==
                "a=?b " + std::string(text.substr(0, half)));
  return 0;
}
