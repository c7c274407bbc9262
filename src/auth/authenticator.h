// The questions that edge and store ask the one auth service in the lookup role, as interfaces.
// An Error means "could not ask": a temporary failure, never "wrong password".
#pragma once

#include <optional>
#include <string>

#include "net/task.h"

namespace posthorn::auth {

// A password without TLS around it.
enum class PlaintextLogin { refused, allowed };

struct Attempt {
  std::string service;        // "imap", "submission", "smtp", "pop3", "managesieve"
  std::string mechanism;      // "PLAIN", "LOGIN"
  std::string user;           // authentication id as the client sent it
  std::string authorization;  // authorization id; empty or equal to user
  std::string password;       // never logged
  std::string address;        // the client's
  std::string session;        // session id
  bool tls = false;
};

struct Verdict {
  enum class Outcome { ok, refused, banned };
  Outcome outcome = Outcome::refused;
  std::string account;  // canonical: "alice@example.org"
  // For the hand-over to the store, once. For "submission" and "smtp": the session's proof, with
  // which each of its messages gets a token (Limiter).
  std::string token;
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Answers late after failures (the delay is part of the answer's time).
  virtual net::Task<Verdict> authenticate(Attempt attempt) = 0;
};

class Redeemer {
 public:
  virtual ~Redeemer() = default;
  // The account a token was given for; nullopt: unknown, used, too old, or of another service or
  // session.
  virtual net::Task<std::optional<std::string>> redeem(std::string token, std::string service,
                                                       std::string session) = 0;
};

}  // namespace posthorn::auth
