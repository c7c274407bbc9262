// POP3 after the login, in the store: the TRANSACTION and UPDATE states of RFC 1939. A session
// comes from edge with a token and sees INBOX as it was then, until it ends. It must never remove a
// message unless the client said QUIT.
#pragma once

#include "auth/hand_over.h"
#include "config/config.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/stream.h"
#include "store/account.h"

namespace posthorn::pop3 {

struct ServerServices {
  net::Scope& scope;
  net::BlockingPool& pool;
  store::Accounts& accounts;
  auth::Admission& admission;
  const config::Pop3& config;
};

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services);

}  // namespace posthorn::pop3
