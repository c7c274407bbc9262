#include "auth/proto/sasl.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/utf8.h"

namespace posthorn::auth {
namespace {

// RFC 4616 section 2: names are UTF-8 without NUL; a control character in one is an attack on a log
// or a protocol behind us. Passwords are bytes: old clients send them in charsets of their own.
bool is_name(std::string_view text) {
  return is_utf8(text) && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
         });
}

}  // namespace

SaslStep SaslServer::start(std::string_view mechanism, std::optional<std::string_view> initial) {
  mechanism_ = to_upper(mechanism);
  user_.reset();
  if (mechanism_ != "PLAIN" && mechanism_ != "LOGIN") return SaslFailure::unknown_mechanism;
  if (initial) return *initial == "=" ? take("") : feed(*initial);
  return Challenge{mechanism_ == "PLAIN" ? "" : encode_base64("Username:")};
}

SaslStep SaslServer::start(std::string_view argument) {
  const std::size_t space = argument.find(' ');
  if (space == std::string_view::npos) return start(argument, std::nullopt);
  return start(argument.substr(0, space), argument.substr(space + 1));
}

SaslStep SaslServer::feed(std::string_view line) {
  if (line == "*") return SaslFailure::cancelled;
  if (line.size() > kSaslLineMax) return SaslFailure::too_long;
  const auto decoded = decode_base64(line);
  if (!decoded) return SaslFailure::malformed;
  return take(*decoded);
}

SaslStep SaslServer::take(std::string_view response) {
  if (mechanism_ == "LOGIN") {
    if (response.find('\0') != std::string_view::npos) return SaslFailure::malformed;
    if (!user_) {
      if (response.empty() || !is_name(response)) return SaslFailure::malformed;
      user_ = response;
      return Challenge{encode_base64("Password:")};
    }
    if (response.empty()) return SaslFailure::malformed;
    return Credentials{"", *user_, std::string(response)};
  }
  // RFC 4616 section 2: [authzid] NUL authcid NUL passwd, and no further NUL.
  const std::size_t first = response.find('\0');
  if (first == std::string_view::npos) return SaslFailure::malformed;
  const std::size_t second = response.find('\0', first + 1);
  if (second == std::string_view::npos || response.find('\0', second + 1) != std::string_view::npos)
    return SaslFailure::malformed;
  Credentials credentials{std::string(response.substr(0, first)),
                          std::string(response.substr(first + 1, second - first - 1)),
                          std::string(response.substr(second + 1))};
  if (credentials.user.empty() || credentials.password.empty() || !is_name(credentials.user) ||
      !is_name(credentials.authorization))
    return SaslFailure::malformed;
  return credentials;
}

std::string plain_response(std::string_view user, std::string_view password) {
  std::string text(1, '\0');
  text += user;
  text += '\0';
  text += password;
  return encode_base64(text);
}

}  // namespace posthorn::auth
