// IMAP up to the login, at the edge (RFC 3501 sections 6.1, 6.2; RFC 4959 SASL-IR, RFC 2595
// STARTTLS). After it the connection is handed to the store's worker with a one-time token, and
// only bytes are copied. What a stranger can send here is small: short lines, short literals, a few
// commands.
#pragma once

#include <functional>
#include <string>

#include "auth/authenticator.h"
#include "base/config.h"
#include "net/scope.h"
#include "net/socket.h"
#include "net/stream.h"
#include "net/tls.h"

namespace posthorn::imap {

struct LoginSettings {
  bool implicit_tls = false;
  bool allow_plaintext = false;
  std::size_t line_max = 8192;
  std::chrono::milliseconds login_timeout = 60s;
  std::chrono::milliseconds handshake_timeout = 30s;
};

struct LoginServices {
  net::Scope& scope;
  auth::Authenticator& authenticator;
  const net::TlsServer* tls = nullptr;
  std::function<net::Address(const std::string& account)>
      store;  // where the account's sessions live
};

net::Awaitable<void> serve_login(net::StreamPtr stream, const LoginSettings& settings,
                                 const LoginServices& services);

}  // namespace posthorn::imap
