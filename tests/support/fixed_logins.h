// Logins with one password, as the sessions see lookup: a user "down" cannot be asked for, and who
// asks for another service is refused.
#pragma once

#include <set>
#include <string>

#include "auth/authenticator.h"

namespace posthorn::test {

class FixedLogins final : public auth::Authenticator {
 public:
  // names: how alice@example.org may call herself.
  FixedLogins(std::set<std::string> services, std::string password,
              std::set<std::string> names = {"alice@example.org"})
      : services_(std::move(services)), password_(std::move(password)), names_(std::move(names)) {}

  net::Task<auth::Verdict> authenticate(auth::Attempt attempt) override {
    if (!services_.contains(attempt.service)) co_return auth::Verdict{};
    if (attempt.user == "down") co_return fail(ErrorKind::temporary, "the user file is away");
    if (names_.contains(attempt.user) && attempt.password == password_)
      co_return auth::Verdict{auth::Verdict::Outcome::ok, "alice@example.org", "token"};
    co_return auth::Verdict{};
  }

 private:
  std::set<std::string> services_;
  std::string password_;
  std::set<std::string> names_;
};

}  // namespace posthorn::test
