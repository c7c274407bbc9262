// IMAP after the login, in the store (RFC 3501 and its extensions). A session comes from edge with
// a token.
#pragma once

#include <string_view>
#include <vector>

#include "auth/hand_over.h"
#include "config/config.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/stream.h"
#include "store/account.h"

namespace posthorn::imap {

class Observer;

struct ServerServices {
  net::Scope& scope;
  net::BlockingPool& pool;
  store::Accounts& accounts;
  auth::Admission& admission;
  const config::Config& config;
  std::vector<Observer*> observers = {};  // told in this order
};

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services);

// All that a client can ask for after the login ("UID FETCH"), for what walks them.
std::vector<std::string_view> command_names();

}  // namespace posthorn::imap
