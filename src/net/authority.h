// A small certificate authority for one server, for as long as it has no certificate of a public
// one: programs that trust it trust this server, and whoever got its key could speak for no other
// (name constraints, RFC 5280 section 4.2.1.10). What it issues is a server's certificate and
// nothing else: mail programs refuse one that is an authority itself.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace posthorn::net {

// Two PEM texts. An authority's key must not lie where a role that faces the network can read it.
struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

struct ServerNames {
  std::vector<std::string> dns;        // "mx.example.org"; the first one names the certificate
  std::vector<std::string> addresses;  // "127.0.0.1", "::1"
};

// What authorities made here are called, in front of the server's name.
inline constexpr std::string_view kAuthorityOrganization = "Posthorn";

// ECDSA P-256, ten years; it may issue for these names alone.
Result<KeyPair> make_authority(const ServerNames& names);

// A certificate for these names, good for 820 days (Apple's programs refuse more than 825); the
// authority's own stands behind it. key_pem: of the key it is for; empty: a new one.
Result<KeyPair> issue_certificate(const KeyPair& authority, const ServerNames& names,
                                  const std::string& key_pem = {});

// Whether programs that trust the authority believe what it issues for these names: not once the
// server has another name, nor when its own time is over.
Result<bool> may_issue(const KeyPair& authority, const ServerNames& names);

}  // namespace posthorn::net
