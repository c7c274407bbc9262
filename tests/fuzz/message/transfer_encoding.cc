// Bytes written in base64 or quoted-printable decode to themselves, with line ends and stray
// characters between; anything else decodes to no more than came in.
#include "message/part.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

std::string base64(std::string_view bytes, std::size_t line) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  std::size_t written = 0;
  const auto put = [&](char c) {
    out += c;
    if (++written % line == 0) out += "\r\n";
  };
  for (const char c : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) put(kLetters[bits >> (count - 6) & 63U]);
  }
  if (count > 0) put(kLetters[bits << (6 - count) & 63U]);
  while (written % 4 != 0) put('=');
  return out;
}

std::string quoted_printable(std::string_view bytes, std::size_t line) {
  constexpr std::string_view kDigits = "0123456789ABCDEFabcdef";
  std::string out;
  std::size_t column = 0;
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    if (u > 0x20 && u < 0x7F && c != '=') {
      out += c;
    } else {
      out += '=';
      out += kDigits[u >> 4U];
      out += kDigits[u & 15U];
    }
    if (++column % line == 0) out += column % 2 == 0 ? "=\r\n" : "=\n";
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t line = 1 + data[0] % 76U;
  const std::string_view text = test::text_of(data + 1, size - 1);
  test::require(message::decode_transfer(base64(text, line), "base64") == text);
  test::require(message::decode_transfer(quoted_printable(text, line), "quoted-printable") == text);
  test::require(message::decode_transfer(text, "8bit") == text);
  test::require(message::decode_transfer(text, "base64").size() <= text.size() / 4 * 3 + 2);
  test::require(message::decode_transfer(text, "quoted-printable").size() <= text.size());
  return 0;
}
