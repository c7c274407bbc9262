// ManageSieve after the login, in the store (RFC 5804): a session comes from edge with a token and
// sees the scripts of that one account. It must never store a script that has a fault.
#pragma once

#include "auth/hand_over.h"
#include "config/config.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/stream.h"
#include "store/account.h"

namespace posthorn::managesieve {

struct ServerServices {
  net::Scope& scope;
  net::BlockingPool& pool;
  store::Accounts& accounts;
  auth::Admission& admission;
  const config::Config& config;
};

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services);

}  // namespace posthorn::managesieve
