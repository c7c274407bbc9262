// TLS: contexts for the server side (certificates by SNI, swapped live) and the client side
// (verification). Mozilla's "intermediate" settings: TLS 1.2 and 1.3, no compression, no
// renegotiation. A bad new pair is refused and the old one stays.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

struct ssl_ctx_st;

namespace posthorn::net {

struct CertificateFiles {
  Path certificate;  // PEM, the leaf first, then its chain
  Path key;          // PEM
};

struct CertificateInfo {
  std::vector<std::string> names;  // SAN dNSName and iPAddress
  WallTime not_after{};
};

// The last certificate of a PEM file, re-encoded: nothing else of the file comes along.
struct TrustAnchor {
  std::string pem;
  std::string sha256;           // "AB:CD:…", to be compared by people
  bool is_self_issued = false;  // it stands at the end of its chain
};
Result<TrustAnchor> read_trust_anchor(const Path& file);

// The pairs below a folder, a folder each: fullchain.pem and privkey.pem (as certbot makes them) or
// cert.pem and key.pem.
Result<std::vector<CertificateFiles>> find_certificates(const Path& folder);

class TlsServer {
 public:
  // The first pair is the default for a name no pair is for. folder: further ones, see
  // find_certificates(); one that cannot be used is left out and told of by faults().
  static Result<std::unique_ptr<TlsServer>> load(std::vector<CertificateFiles> pairs,
                                                 const Path& folder = {});
  ~TlsServer();

  // Reads the files again if they changed, and with back-off those it could not use, and looks for
  // folders that came or went; true: a new pair is in use. On an error, told once, the old ones
  // stay.
  Result<bool> reload();
  CertificateInfo info() const;  // of the default pair
  struct Loaded {
    Path file;
    CertificateInfo info;
  };
  std::vector<Loaded> certificates() const;        // the default one first
  const std::vector<std::string>& faults() const;  // of load()
  std::shared_ptr<ssl_ctx_st> context() const;  // the default one of now; a session keeps its own
  std::shared_ptr<ssl_ctx_st> context_for(std::string_view name) const;  // by SNI

 private:
  TlsServer();
  Result<bool> add_folders();
  struct State;
  std::unique_ptr<State> state_;
};

class TlsClient {
 public:
  enum class Verify { required, none };
  // trust_file: PEM of the authorities, empty = the system's.
  static Result<std::unique_ptr<TlsClient>> make(Verify verify, const Path& trust_file = {});
  ~TlsClient();
  std::shared_ptr<ssl_ctx_st> context() const;
  Verify verify() const;

 private:
  TlsClient();
  struct State;
  std::unique_ptr<State> state_;
};

// A self-signed certificate (ECDSA P-256, 10 years) with the names as SAN, as two PEM texts.
struct SelfSigned {
  std::string certificate_pem;
  std::string key_pem;
};
Result<SelfSigned> make_self_signed(const std::vector<std::string>& dns_names,
                                    const std::vector<std::string>& addresses);

}  // namespace posthorn::net
