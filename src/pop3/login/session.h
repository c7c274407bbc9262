// POP3 up to the login, at the edge: the AUTHORIZATION state of RFC 1939, STLS (RFC 2595), AUTH
// (RFC 5034), CAPA and PIPELINING (RFC 2449), UTF8 (RFC 6856). After it the connection is handed to
// the store's worker with a one-time token, and only bytes are copied. It must never tell whether a
// user exists, nor take a password in the clear unless the administrator allowed it.
#pragma once

#include <functional>
#include <string>

#include "auth/authenticator.h"
#include "base/config.h"
#include "net/scope.h"
#include "net/socket.h"
#include "net/stream.h"
#include "net/tls.h"

namespace posthorn::pop3 {

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

}  // namespace posthorn::pop3
