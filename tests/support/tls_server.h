// A server's TLS with a certificate of its own, for sessions that run without a socket.
#pragma once

#include <memory>

#include "net/authority.h"
#include "net/tls.h"
#include "tests/support/temp_folder.h"

namespace posthorn::test {

inline std::unique_ptr<net::TlsServer> make_tls_server() {
  const TempFolder folder;
  const net::ServerNames names{{"mx.example.org"}, {"127.0.0.1"}};
  const auto pair = net::issue_certificate(net::make_authority(names).value(), names);
  return net::TlsServer::load({{folder.write("cert.pem", pair.value().certificate_pem),
                                folder.write_secret("key.pem", pair.value().key_pem)}})
      .value();
}

}  // namespace posthorn::test
