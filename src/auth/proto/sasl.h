// The server's side of SASL PLAIN (RFC 4616) and LOGIN, for every protocol: it takes the client's
// lines and gives a challenge, credentials or a failure. It never checks a password.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace posthorn::auth {

struct Credentials {
  std::string authorization;  // empty, or who to act as
  std::string user;
  std::string password;
};

struct Challenge {
  std::string line;  // base64, to be sent behind "334 " or "+ "
};

enum class SaslFailure { unknown_mechanism, cancelled, malformed, too_long };

using SaslStep = std::variant<Challenge, Credentials, SaslFailure>;

// RFC 4954 section 4: 12288 octets are enough for every mechanism.
inline constexpr std::size_t kSaslLineMax = 12'288;

class SaslServer {
 public:
  // mechanism in any case; initial: as given ("=" is the empty response); nullopt: none was given.
  SaslStep start(std::string_view mechanism, std::optional<std::string_view> initial);
  // "MECHANISM" or "MECHANISM initial", as AUTH has them in SMTP and POP3.
  SaslStep start(std::string_view argument);
  // The client's next line; "*" cancels.
  SaslStep feed(std::string_view line);
  const std::string& mechanism() const { return mechanism_; }

 private:
  SaslStep take(std::string_view response);

  std::string mechanism_;
  std::optional<std::string> user_;  // LOGIN's first answer
};

// The client's side: what a smarthost is sent.
std::string plain_response(std::string_view user, std::string_view password);

}  // namespace posthorn::auth
