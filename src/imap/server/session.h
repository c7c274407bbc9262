// IMAP after the login, in the store (RFC 3501 and its extensions). A session comes from edge with
// a token.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "auth/authenticator.h"
#include "base/config.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/stream.h"
#include "store/account.h"

namespace posthorn::imap {

// How many sessions each user has in this worker; one over the bound is refused.
class UserConnections {
 public:
  explicit UserConnections(std::size_t per_user_max) : per_user_max_(per_user_max) {}

  class Slot {  // gives its place back when it dies
   public:
    Slot(UserConnections& connections, std::string account)
        : connections_(&connections), account_(std::move(account)) {}
    Slot(Slot&& other) noexcept
        : connections_(std::exchange(other.connections_, nullptr)),
          account_(std::move(other.account_)) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(connections_, other.connections_);
      std::swap(account_, other.account_);
      return *this;
    }
    ~Slot();

   private:
    UserConnections* connections_;
    std::string account_;
  };
  std::optional<Slot> take(const std::string& account);

 private:
  std::size_t per_user_max_;
  std::map<std::string, std::size_t, std::less<>> counts_;
};

struct ServerServices {
  net::Scope& scope;
  net::BlockingPool& pool;
  store::Accounts& accounts;
  auth::Redeemer& redeemer;
  UserConnections& connections;
  const config::Config& config;
};

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services);

}  // namespace posthorn::imap
