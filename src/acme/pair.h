// Pair: a certificate with its chain and its key, as they lie in one file, and what is needed to
// get one: the key, the request (PKCS#10), the certificate's id for renewal information. What an
// authority sends is written anew from what was understood: no byte of it that is not a certificate
// gets into the file. Sans-I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/choices.h"

namespace posthorn::acme {

Result<std::string> make_key(config::KeyType type);  // PEM
// A request for the names, signed by the key; DER.
Result<std::string> make_request(const std::string& key_pem, const std::vector<std::string>& names);

struct PairInfo {
  std::vector<std::string> names;  // the first is the one it was asked for by
  WallTime begins{}, ends{};
  std::string issuer;  // "R11 (Let's Encrypt)"
  std::string fingerprint;
  std::string der;         // of the certificate
  std::string renewal_id;  // RFC 9773 section 4.1; empty: it has no authority's key identifier
  std::string spki;        // DER of the public key: what TLSA records with selector 1 are made of
};
// Key and chain in one text, as the file has it.
Result<PairInfo> read_pair(std::string_view pem);
// The key of such a text; PEM.
Result<std::string> read_key(std::string_view pem);

// What the authority sent, and what it was for: one text for the file. An Error: it is not what was
// asked for.
struct Issued {
  std::string chain_pem;
  std::string key_pem;
  std::vector<std::string> names;
};
Result<std::string> make_pair(const Issued& issued);

// A TLSA record's data that matter here (RFC 6698 section 2.1).
struct Tlsa {
  unsigned usage = 0, selector = 0, matching = 0;
  std::string data;  // bytes
};
// Another key would break a record that is published and fits this one (RFC 7671 section 8.1).
bool is_published(const PairInfo& pair, const std::vector<Tlsa>& records);

}  // namespace posthorn::acme
