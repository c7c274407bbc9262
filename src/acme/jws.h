// How a request to an ACME directory is signed: JWS (RFC 7515) by the account's key, in the form
// that RFC 8555 section 6.2 allows and no other: flattened JSON, ES256. The key is an account's: it
// never serves TLS. Sans-I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/openssl.h"

namespace posthorn::acme {

// RFC 7515 section 2: without padding. A text that another form of the same bytes would be is none.
std::string encode_base64url(std::string_view bytes);
std::optional<std::string> decode_base64url(std::string_view text);

// ECDSA P-256.
class AccountKey {
 public:
  static Result<AccountKey> make();
  static Result<AccountKey> read(const std::string& pem);

  std::string pem() const;
  // RFC 7638 section 3: the members that are needed, in their order, without blanks.
  std::string jwk() const;
  std::string thumbprint() const;
  // RFC 7518 section 3.4: R and S, 32 bytes each.
  Result<std::string> sign(std::string_view text) const;

 private:
  explicit AccountKey(net::KeyPtr key) : key_(std::move(key)) {}
  net::KeyPtr key_;
};

struct Protected {
  std::string url;
  std::string nonce;
  std::string account;  // its URL; empty: the key itself stands there (newAccount)
};
// The body of a POST; payload empty: POST-as-GET (RFC 8555 section 6.3).
Result<std::string> sign_request(const AccountKey& key, const Protected& head,
                                 std::string_view payload);

// What an authority gave to a customer of its: RFC 8555 section 7.3.4.
struct Binding {
  std::string key_id;
  std::string key;  // bytes
};
// The member externalAccountBinding: the account's key, signed by HS256 with the customer's.
std::string bind_account(const AccountKey& key, const Binding& binding, std::string_view url);

// What proves that a challenge is ours: RFC 8555 section 8.1.
std::string authorize_key(const AccountKey& key, std::string_view token);

}  // namespace posthorn::acme
