// The HTTP side of a connection: reads requests one after the other, asks the site, writes the
// answer. Everything is bounded: the head and the body in bytes and in time, the requests of a
// connection, its idle time.
#pragma once

#include "config/config.h"
#include "net/scope.h"
#include "net/tls.h"
#include "web/proto/request.h"
#include "web/proto/response.h"

namespace posthorn::web {

class Site {
 public:
  virtual ~Site() = default;
  virtual net::Awaitable<Response> answer(const Request& request, const net::Peer& peer) = 0;
};

struct ServerSettings {
  net::TlsStart tls_start = net::TlsStart::by_command;  // by_command: HTTP, which has none
  config::Duration handshake_timeout = 30s;
  config::Duration request_timeout = 10s;  // from the first byte of a request to its last
  config::Duration idle_timeout = 15s;     // between two requests
  config::Duration write_timeout = 30s;
  std::size_t requests_max = 100;  // a connection
};

struct ServerServices {
  net::Scope& scope;
  Site& site;
  const net::TlsServer* tls = nullptr;
};

// settings and services outlive the connection.
net::Awaitable<void> serve(net::StreamPtr stream, const ServerSettings& settings,
                           const ServerServices& services);

}  // namespace posthorn::web
