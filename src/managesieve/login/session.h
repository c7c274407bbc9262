// ManageSieve up to the login, at the edge (RFC 5804): STARTTLS, AUTHENTICATE, CAPABILITY, NOOP,
// LOGOUT. After it the connection is handed to the store's worker with a one-time token, and only
// bytes are copied. It must never tell whether a user exists, nor take a password in the clear
// unless the administrator allowed it.
#pragma once

#include "auth/login.h"

namespace posthorn::managesieve {

net::Awaitable<void> serve_login(net::StreamPtr stream, const auth::LoginSettings& settings,
                                 const auth::LoginServices& services);

}  // namespace posthorn::managesieve
