// Sockets: binding, connecting, and Streams over them. Everything of Asio that touches a socket is
// in here.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/file.h"
#include "net/stream.h"

namespace posthorn::net {

struct TcpAddress {
  std::string host;  // a literal IPv4 or IPv6 address
  std::uint16_t port = 0;
};
struct UnixAddress {
  Path path;
};
// "127.0.0.1:25", "[::1]:25", "unix:/run/x.sock".
using Address = std::variant<TcpAddress, UnixAddress>;
Result<Address> parse_address(std::string_view text);
std::string to_string(const Address& address);
Result<> check_literal(const std::string& address);  // "192.0.2.1", "2001:db8::1"

// A listening descriptor (SO_REUSEADDR; reuse_port for several workers; IPV6_V6ONLY). A stale Unix
// socket file is replaced, a live one is an error.
struct BindOptions {
  bool reuse_port = false;
  int backlog = 1024;
  mode_t mode = 0600;  // Unix sockets
};
Result<File> bind_socket(const Address& address, const BindOptions& options = {});

Result<StreamPtr> adopt_socket(Executor executor, File connected);
// source: a literal local address to connect from, of the same family; empty: the system's choice.
Task<StreamPtr> connect(Executor executor, Address address, SteadyTime deadline,
                        std::string source = {});

}  // namespace posthorn::net
