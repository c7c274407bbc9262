#include "dns/names.h"

#include <algorithm>
#include <memory>
#include <unicode/bytestream.h>
#include <unicode/idna.h>

#include "base/ascii.h"

namespace posthorn::dns {

std::string to_dns_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string name = to_lower(text);
  const auto is_ascii = [](char c) { return c > 0x20 && c < 0x7F; };
  if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    UErrorCode status = U_ZERO_ERROR;
    const std::unique_ptr<icu::IDNA> idna(
        icu::IDNA::createUTS46Instance(UIDNA_NONTRANSITIONAL_TO_ASCII, status));
    icu::IDNAInfo info;
    std::string ascii;
    icu::StringByteSink<std::string> sink(&ascii);
    if (idna)
      idna->nameToASCII_UTF8({text.data(), static_cast<int>(text.size())}, sink, info, status);
    if (!idna || U_FAILURE(status) != 0 || info.hasErrors() != 0) return {};
    name = to_lower(ascii);
  }
  constexpr std::size_t kNameMax = 253, kLabelMax = 63;  // RFC 1035 section 2.3.4
  if (name.empty() || name.size() > kNameMax || !std::ranges::all_of(name, is_ascii)) return {};
  std::size_t label = 0;
  for (const char c : name + ".") {
    if (c == '.' && (label == 0 || label > kLabelMax)) return {};
    if (std::string_view("\"\\;()@$").find(c) != std::string_view::npos) return {};
    label = c == '.' ? 0 : label + 1;
  }
  return name;
}

bool is_within(std::string_view name, std::string_view zone) {
  if (name == zone) return true;
  return name.size() > zone.size() && name.ends_with(zone) &&
         name[name.size() - zone.size() - 1] == '.';
}

}  // namespace posthorn::dns
