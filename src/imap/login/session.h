// IMAP up to the login, at the edge (RFC 3501 sections 6.1, 6.2; RFC 4959 SASL-IR, RFC 2595
// STARTTLS). After it the connection is handed to the store's worker with a one-time token, and
// only bytes are copied. What a stranger can send here is small: short lines, short literals, a few
// commands.
#pragma once

#include "auth/login.h"

namespace posthorn::imap {

net::Awaitable<void> serve_login(net::StreamPtr stream, const auth::LoginSettings& settings,
                                 const auth::LoginServices& services);

}  // namespace posthorn::imap
