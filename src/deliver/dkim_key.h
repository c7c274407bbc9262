// The keys of DKIM signatures: RSA (RFC 6376 section 3.3, RFC 8301) and Ed25519 (RFC 8463), in PEM
// files, dkim/DOMAIN/SELECTOR.pem. A private key never stands in an error or in the log.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "config/finding.h"

struct evp_pkey_st;
struct evp_md_ctx_st;

namespace posthorn::deliver {

// SHA-256 of bytes that stream by.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  std::string finish();  // 32 bytes

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

class DkimKey {
 public:
  // The errors are ErrorKind::config and say only what is wrong.
  static Result<DkimKey> parse(const std::string& pem);
  // A file that everybody can read is refused, as a TLS key is. "file:1: reason". Blocks.
  static Result<DkimKey> read(const Path& file);
  static Result<DkimKey> make_rsa(unsigned bits);
  static Result<DkimKey> make_ed25519();

  std::string type() const;       // k=: "rsa", "ed25519"
  std::string algorithm() const;  // a=: "rsa-sha256" …
  int bits() const;
  std::string public_base64() const;  // p=
  Result<std::string> to_pem() const;
  // Of what has this SHA-256: the signature, in base64.
  Result<std::string> sign(std::string_view digest) const;

 private:
  explicit DkimKey(evp_pkey_st* key);
  bool is_rsa() const;
  std::unique_ptr<evp_pkey_st, void (*)(evp_pkey_st*)> key_;
};

struct DkimKeyFile {
  std::string selector;
  Path path;
};
// A domain's, in the order of their names; what is no SELECTOR.pem, or SELECTOR.private as
// opendkim names it, is passed over. Blocks.
Result<std::vector<DkimKeyFile>> find_dkim_keys(const Path& folder, std::string_view domain);
// The domains with a folder. Blocks.
Result<std::vector<std::string>> find_dkim_domains(const Path& folder);
// Everything in the folder that cannot be used, as "file:1: reason". Blocks.
std::vector<std::string> find_dkim_faults(const Path& folder);
// What lies there and signs nothing, as warnings. Blocks.
config::Findings find_dkim_doubts(const Path& folder);

}  // namespace posthorn::deliver
