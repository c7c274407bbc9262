// Base64, strictly (RFC 4648 section 4): no white space, no missing or inner padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn {

std::string encode_base64(std::string_view bytes);
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace posthorn
