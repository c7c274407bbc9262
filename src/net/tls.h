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
#include "config/finding.h"

struct ssl_ctx_st;

namespace posthorn::net {

// When a connection becomes one: by a command of the protocol (STARTTLS, STLS), or before a word is
// said, on a port of its own (RFC 8314 section 3).
enum class TlsStart { by_command, at_once };

struct CertificateFiles {
  Path certificate;  // PEM, the leaf first, then its chain
  Path key;          // PEM
};

struct CertificateInfo {
  std::vector<std::string> names;  // SAN dNSName and iPAddress
  WallTime not_after{}, not_before{};
  std::string issuer;         // its common name, or its organization
  std::string sha256;         // of the certificate, in hexadecimal digits
  std::string key_sha256;     // of its SubjectPublicKeyInfo, likewise: TLSA 3 1 1 (RFC 6698)
  bool lacks_issuer = false;  // its file ends before an authority that clients know may follow
  bool is_of_own_authority = false;  // made by `posthorn init` (net/authority.h)
};

// Of the first certificate of a PEM file. Blocks.
Result<CertificateInfo> read_certificate(const Path& file);

// The last certificate of a PEM file, re-encoded: nothing else of the file comes along.
struct TrustAnchor {
  std::string pem;
  std::string sha256;           // "AB:CD:…", to be compared by people
  bool is_self_issued = false;  // it stands at the end of its chain
};
Result<TrustAnchor> read_trust_anchor(const Path& file);

// A file that this account cannot read, by the copy that was handed to it in a folder (below the
// name flat_name() gives), if there is one; else itself.
Path find_readable(const Path& file, const Path& handed);

class TicketKeys;

// Who has certificates for the proofs of RFC 8737 (net/challenge_certificate.h).
class ChallengeSource {
 public:
  virtual ~ChallengeSource() = default;
  // name: in lower case, a stranger's text; nullptr: nothing is to be proved for it.
  virtual std::shared_ptr<ssl_ctx_st> find(const std::string& name) const = 0;
};

class TlsServer {
 public:
  // The first pair is the default for a name no pair is for. folder: further ones, see
  // find_certificates(). Nothing is read yet; until a first commit() it serves nobody.
  // hostname: the name this server greets by, which the default pair should be for.
  // handed: see find_readable().
  // acme: see find_acme_certificates(); one of them that is for hostname is the default.
  static std::unique_ptr<TlsServer> make(std::vector<CertificateFiles> pairs,
                                         const Path& folder = {}, std::string hostname = {},
                                         Path handed = {}, Path acme = {});
  // The same, with all read; an Error: one of the pairs (not of the folder's) cannot be used.
  static Result<std::unique_ptr<TlsServer>> load(std::vector<CertificateFiles> pairs,
                                                 const Path& folder = {});
  ~TlsServer();
  // A certificate that ends within that time is told of by prepare(), for who has no other way to.
  void warn_ahead(std::chrono::milliseconds time) { ahead_ = time; }

  // An authority that asks about a name of source's gets its answer; for all others nothing
  // changes. To be said before the first prepare(); source outlives this.
  void answer_challenges(const ChallengeSource& source) { challenges_ = &source; }

  // What the files look like. Blocks, from any thread.
  std::string look() const;
  // Reads what is not in use as it is now, beside what is. A pair that cannot be used leaves the
  // one of before; where there is none, the first is replaced by a certificate of nobody's knowing,
  // so that what needs no proof of who this is goes on. Blocks, from any thread; commit() is not to
  // be called meanwhile.
  struct State;
  struct Next {
    std::shared_ptr<State> state;
    config::Findings findings;
    bool changed = false;
    bool may_pass = false;
  };
  Next prepare() const;
  // Gives what was in use before.
  std::shared_ptr<const void> commit(Next next);
  // Both; true: something else is in use now. An Error: the first fault.
  Result<bool> reload();

  CertificateInfo info() const;  // of the default pair
  struct Loaded {
    Path file;
    CertificateInfo info;
  };
  // The default one first; without the one that a certificate by ACME has taken the place of.
  std::vector<Loaded> certificates() const;
  std::shared_ptr<ssl_ctx_st> context() const;  // the default one of now; a session keeps its own
  std::shared_ptr<ssl_ctx_st> context_for(std::string_view name) const;  // by SNI
  const ChallengeSource* challenges() const { return challenges_; }

 private:
  TlsServer();
  bool add(const CertificateFiles& files, Next& next) const;
  void add_own(const std::vector<CertificateFiles>& by_acme, Next& next) const;
  static std::vector<CertificateFiles> take_found(Result<std::vector<CertificateFiles>> found,
                                                  Next& next);

  std::vector<CertificateFiles> named_;
  Path folder_;
  std::string hostname_;
  Path handed_, acme_;
  std::chrono::milliseconds ahead_{0};
  const ChallengeSource* challenges_ = nullptr;
  std::unique_ptr<TicketKeys> tickets_;
  std::shared_ptr<State> state_;
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

}  // namespace posthorn::net
