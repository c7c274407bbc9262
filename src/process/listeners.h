// The listeners of a role: they take the sockets that the role was given under a name, however many
// there are, and stop together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/connection_limits.h"
#include "net/line_channel.h"
#include "net/listener.h"
#include "process/sockets.h"

namespace posthorn::process {

class Listeners {
 public:
  explicit Listeners(SocketMap& sockets) : sockets_(sockets) {}

  // Serves a connection to options.name by session, which runs in the scope.
  void serve(net::Scope& scope, const net::Listener::Options& options,
             const net::Listener::Session& session);
  // The same for the line protocol between our processes; on a control socket, for who may ask
  // what (process/control_rights.h).
  void answer(net::Scope& scope, const std::string& name, const net::LineHandler& handler);
  // On the role's sockets of that kind ("web": "store-0.web.sock", …), of all workers that are in
  // this process.
  void answer(net::Scope& scope, RoleKind role, std::string_view kind,
              const net::LineHandler& handler);
  // For a session that keeps something from one question to the next: it passes the gate on to
  // net::serve_lines().
  using Desk = std::function<net::Awaitable<void>(net::StreamPtr stream, net::LineGate gate)>;
  void serve_desk(net::Scope& scope, const std::string& name, const Desk& desk);
  void stop();

  // Of the sockets that nobody has taken yet.
  std::vector<std::string> names() const;

 private:
  SocketMap& sockets_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
};

// The bounds for strangers, as [limits] has them; how many at all is the role's to say.
net::ConnectionLimits::Options connection_limits(
    const config::Limits& limits, std::function<bool(const std::string& address)> is_exempt);

}  // namespace posthorn::process
