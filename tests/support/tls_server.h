// A server's TLS with a certificate of its own, for sessions that run without a socket.
#pragma once

#include <memory>

#include "net/tls.h"
#include "tests/support/temp_folder.h"

namespace posthorn::test {

inline std::unique_ptr<net::TlsServer> make_tls_server() {
  const TempFolder folder;
  const auto pair = net::make_self_signed({"mx.example.org"}, {"127.0.0.1"});
  return net::TlsServer::load({{folder.write("cert.pem", pair.value().certificate_pem),
                                folder.write_secret("key.pem", pair.value().key_pem)}})
      .value();
}

}  // namespace posthorn::test
