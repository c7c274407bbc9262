// POP3 up to the login, at the edge: the AUTHORIZATION state of RFC 1939, STLS (RFC 2595), AUTH
// (RFC 5034), CAPA and PIPELINING (RFC 2449), UTF8 (RFC 6856). After it the connection is handed to
// the store's worker with a one-time token, and only bytes are copied. It must never tell whether a
// user exists, nor take a password in the clear unless the administrator allowed it.
#pragma once

#include "auth/login.h"

namespace posthorn::pop3 {

net::Awaitable<void> serve_login(net::StreamPtr stream, const auth::LoginSettings& settings,
                                 const auth::LoginServices& services);

}  // namespace posthorn::pop3
