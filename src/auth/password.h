// Password hashes: {SCHEME}text as Dovecot writes them, and bare crypt strings. All of it blocks:
// call it in net::BlockingPool. A hash that asks for more memory or time than a mail server can
// spend is refused, not computed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace posthorn::auth {

// true: it is the password. An Error: the hash cannot be read (config).
Result<bool> verify_password(std::string_view stored, std::string_view password);
// Why nobody can log in with it (an unknown scheme, a broken or too costly hash); nullopt: somebody
// can, or it is locked on purpose ("!", "*"). Cheap, nothing is computed; it holds no secret.
std::optional<std::string> find_hash_fault(std::string_view stored);
// Whether any password can be the right one; false: it is locked, or empty. Cheap. An Error: the
// hash cannot be read (config).
Result<bool> has_password(std::string_view stored);
// The hash's kind, by the name in front of it or by crypt's mark: "SHA512-CRYPT"; nothing of the
// rest.
std::string scheme_of(std::string_view stored);
// scheme: "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "ARGON2ID", "ARGON2I"; gives "{SCHEME}…".
Result<std::string> hash_password(std::string_view scheme, std::string_view password);
// Costs about what a real check costs; for users that do not exist.
void verify_nothing(std::string_view password);

}  // namespace posthorn::auth
