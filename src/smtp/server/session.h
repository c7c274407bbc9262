// The one SMTP and LMTP server engine (RFC 5321, RFC 6409, RFC 2033). It runs three times: at the
// edge towards the queue, in the queue over the spool, in the store over the maildirs. Handlers
// return a Reply; only the loop writes.
//
// Security: a stranger's bytes end here. Nothing is accepted before the sink has committed it; a
// recipient that could not be looked up is refused temporarily; what arrives ahead of a TLS
// handshake ends the session.
#pragma once

#include <functional>
#include <string>

#include "auth/authenticator.h"
#include "auth/limiter.h"
#include "base/log.h"
#include "config/config.h"
#include "net/scope.h"
#include "net/stream.h"
#include "net/tls.h"
#include "route/directory.h"
#include "smtp/server/legality.h"
#include "smtp/server/sink.h"

namespace posthorn::smtp {

// Who connects to a socket.
enum class Peers {
  anybody,
  // Our own roles: XFORWARD is taken, and what the sink looks at (XTOKEN, XNAMED); no Received is
  // added. Whose mail it is, the sink proves.
  roles,
  // Programs of this machine: the uid of the process that connected is the login, so there is no
  // other.
  programs
};

struct ServerSettings {
  Protocol protocol = Protocol::smtp;
  std::string hostname;
  net::TlsStart tls_start = net::TlsStart::by_command;
  Peers peers = Peers::anybody;
  config::Smtp smtp;
  config::Submission submission;
  auth::PlaintextLogin plaintext_login = auth::PlaintextLogin::refused;
  std::string local_domain;  // completes a program's login to an address
  std::chrono::milliseconds handshake_timeout = 30s;
  std::chrono::milliseconds first_command_timeout = 30s;  // from the greeting
};

struct ServerServices {
  net::Scope& scope;
  SinkFactory& sinks;
  route::Directory* directory = nullptr;         // nullptr: every recipient is accepted
  auth::Authenticator* authenticator = nullptr;  // nullptr: no AUTH
  const net::TlsServer* tls = nullptr;           // nullptr: no STARTTLS
  auth::Limiter* limiter = nullptr;              // nullptr: users may send as much as they like
  // The name of a client's address, empty if it has none; without it nobody asks. It ends at the
  // deadline.
  std::function<net::Task<std::string>(std::string address, SteadyTime deadline)> client_name = {};
  // The login name of a uid, for programs of this machine.
  std::function<net::Task<std::string>(std::uint32_t uid)> login_name = {};
  // Clients that may relay without a login (smtp.relay_from).
  std::function<bool(const std::string& address)> may_relay = {};
  // Clients whose bare line ends are mended where others' are refused (smtp.bare_line_feed_exempt).
  std::function<bool(const std::string& address)> may_send_bare_line_ends = {};
};

// Serves one connection to its end. Settings and services outlive it.
net::Awaitable<void> serve(net::StreamPtr stream, const ServerSettings& settings,
                           const ServerServices& services);

}  // namespace posthorn::smtp
