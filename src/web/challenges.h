// What the role acme has to prove, kept for the authority that comes to look: by HTTP (RFC 8555
// section 8.3) and by a certificate in the handshake (RFC 8737). In memory only, at most a hundred
// and an hour each; nothing that a stranger asks makes an entry.
//
//   offer  type= name= token= key_authorization=   ok | error error=
//   forget name= token=                            ok
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "net/line_channel.h"
#include "net/tls.h"

namespace posthorn::web {

// RFC 8555 section 8.1: of the base64url alphabet; so it may be the name of a file and is no path.
bool is_challenge_token(std::string_view text);

// Why a kind of challenge cannot be answered here, for the role acme to tell; empty: it can.
struct Unanswerable {
  std::string http_01, tls_alpn_01;
};

class Challenges final : public net::ChallengeSource {
 public:
  static constexpr std::size_t kOffersMax = 100;
  static constexpr auto kKeptFor = std::chrono::hours(1);

  Challenges(const Clock& clock, Unanswerable unanswerable)
      : clock_(clock), unanswerable_(std::move(unanswerable)) {}

  // One of the requests above; the answer goes back to acme.
  net::Message answer(const net::Message& request);
  // The key authorization of what was offered for http-01.
  std::optional<std::string> find_text(const std::string& token) const;
  // The certificate of what was offered for tls-alpn-01; name is in lower case.
  std::shared_ptr<ssl_ctx_st> find(const std::string& name) const override;
  std::size_t size() const { return texts_.size() + certificates_.size(); }

 private:
  struct Text {
    std::string name, key_authorization;
    SteadyTime ends;
  };
  struct Certificate {
    std::string token;
    std::shared_ptr<ssl_ctx_st> context;
    SteadyTime ends;
  };
  Result<> offer(const net::Message& request);
  void forget(const std::string& name, const std::string& token);
  void forget_ended();

  const Clock& clock_;
  const Unanswerable unanswerable_;
  std::map<std::string, Text> texts_;                // by token
  std::map<std::string, Certificate> certificates_;  // by name
};

}  // namespace posthorn::web
