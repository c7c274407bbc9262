// Any bytes as a header's value: decoding at most triples it, and leaves what holds no encoded word
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
  test::require(decoded.size() <= 3 * text.size());
  if (text.find("=?") == std::string_view::npos) test::require(decoded == text);

  // What is no UTF-8 is replaced on the way, so the words are made of ASCII.
  std::string plain;
  for (const char c : text)
    if (c >= 0x20 && c < 0x7F) plain += c;
  const std::string one = plain.substr(0, plain.size() / 2), two = plain.substr(one.size());
  const std::string first = word(one), second = word(two);
  test::require(message::decode_words(first) == one);
  test::require(message::decode_words(first + " \r\n\t" + second) == plain);
  test::require(message::decode_words(first + " x " + second) == one + " x " + two);
  // "=?" alone is no word, and must not hide the ones behind it.
  test::require(message::decode_words("a=?b " + first) == "a=?b " + one);
  return 0;
}
