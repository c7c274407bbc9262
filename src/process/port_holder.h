// Why a port cannot be listened on, in words that say what to do: who has it, which key to change,
// and what a port below 1024 asks of who is not root. Reads /proc; only when a start has failed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "process/sockets.h"

namespace posthorn::process {

struct PortHolder {
  std::string pid, name;  // empty: somebody whose processes are not seen from here
};
// Who listens on the TCP port of this machine; nullopt: nobody.
std::optional<PortHolder> find_port_holder(int port);

// The error of binding the socket, with what is found out about it.
Error explain_bind_failure(const config::Config& config, const SocketSpec& spec, Error error);
// "smtp 0.0.0.0:25 [::]:25, imaps 0.0.0.0:993": what is open to the network.
std::string describe_ports(const std::vector<SocketSpec>& specs);

}  // namespace posthorn::process
