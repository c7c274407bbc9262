// Which certificate each TLS port of this server shows, by a handshake as a client begins it:
// what is said of them elsewhere comes from files. Nothing is verified, and no login is tried.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "net/socket.h"

namespace posthorn::tools {

struct TlsPort {
  std::string service;  // "smtp", "imaps"
  net::TcpAddress address;
  std::string text() const;  // "imaps 127.0.0.1:993"
};
// Those that [listen] has, by TLS at once or by STARTTLS; where they listen on all addresses, one
// that reaches them from here.
std::vector<TlsPort> list_tls_ports(const config::Config& config);

struct Shown {
  TlsPort port;
  std::string name;    // that was asked for (SNI)
  std::string sha256;  // empty: none, for the reason in fault
  std::vector<std::string> names;
  std::string fault;
};
// Each port for each name; one that does not answer is asked once. A bounded number of names.
std::vector<Shown> look_at_ports(const std::vector<TlsPort>& ports,
                                 const std::vector<std::string>& names);

}  // namespace posthorn::tools
