#include "message/mutf7.h"

#include <cstdint>
#include <vector>

#include "base/utf8.h"

namespace posthorn::message {
namespace {

// RFC 3501 section 5.1.3: base64 with ',' for '/', without padding.
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

bool is_direct(char32_t point) {
  return point >= 0x20 && point <= 0x7E;
}

void append_base64(const std::vector<std::uint16_t>& units, std::string& out) {
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const std::uint16_t unit : units) {
    bits = (bits << 16U) | unit;
    held += 16;
    while (held >= 6) {
      held -= 6;
      out += kBase64[(bits >> held) & 0x3FU];
    }
    bits &= (1U << held) - 1U;
  }
  if (held > 0) out += kBase64[(bits << (6U - held)) & 0x3FU];
}

std::optional<std::vector<std::uint16_t>> decode_base64(std::string_view text) {
  std::vector<std::uint16_t> units;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 16) {
      held -= 16;
      units.push_back(static_cast<std::uint16_t>(bits >> held));
      bits &= (1U << held) - 1U;
    }
  }
  if (held >= 6 || bits != 0) return std::nullopt;
  return units;
}

}  // namespace

std::optional<std::string> encode_mutf7(std::string_view utf8) {
  std::string out;
  std::vector<std::uint16_t> units;
  const auto flush = [&] {
    if (units.empty()) return;
    out += '&';
    append_base64(units, out);
    out += '-';
    units.clear();
  };
  while (!utf8.empty()) {
    const auto point = take_code_point(utf8);
    if (!point) return std::nullopt;
    if (is_direct(*point)) {
      flush();
      out += static_cast<char>(*point);
      if (*point == '&') out += '-';
    } else if (*point < 0x10000) {
      units.push_back(static_cast<std::uint16_t>(*point));
    } else {
      const char32_t rest = *point - 0x10000;
      units.push_back(static_cast<std::uint16_t>(0xD800U | (rest >> 10U)));
      units.push_back(static_cast<std::uint16_t>(0xDC00U | (rest & 0x3FFU)));
    }
  }
  flush();
  return out;
}

std::optional<std::string> decode_mutf7(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!is_direct(static_cast<unsigned char>(c))) return std::nullopt;
    if (c != '&') {
      out += c;
      continue;
    }
    const std::size_t end = text.find('-', i);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view shifted = text.substr(i + 1, end - i - 1);
    i = end;
    if (shifted.empty()) {
      out += '&';
      continue;
    }
    const auto units = decode_base64(shifted);
    if (!units || units->empty()) return std::nullopt;
    for (std::size_t u = 0; u < units->size(); ++u) {
      char32_t point = (*units)[u];
      if (point >= 0xD800 && point <= 0xDBFF) {
        if (u + 1 == units->size()) return std::nullopt;
        const char32_t low = (*units)[++u];
        if (low < 0xDC00 || low > 0xDFFF) return std::nullopt;
        point = 0x10000 + ((point & 0x3FFU) << 10U) + (low & 0x3FFU);
      } else if (point >= 0xDC00 && point <= 0xDFFF) {
        return std::nullopt;
      }
      if (point < 0x20 || point == 0x7F) return std::nullopt;  // a NUL or line feed in disguise
      append_code_point(out, point);
    }
  }
  // One name, one spelling: what does not come back the same is refused.
  const auto back = encode_mutf7(out);
  if (!back || *back != text) return std::nullopt;
  return out;
}

}  // namespace posthorn::message
