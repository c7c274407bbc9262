// A role: what one process does. What a process of the server asks of it.
#pragma once

#include <functional>
#include <memory>

#include "config/config.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/watched_files.h"
#include "process/sockets.h"

namespace posthorn::process {

// What every role gets. The references live as long as the role.
struct RoleSetup {
  const config::Config& config;
  net::Executor executor;
  net::BlockingPool& pool;
  SocketMap sockets;
  std::size_t worker = 0;
  std::vector<std::string> own_addresses = {};  // of this machine
};

struct Report;

class Role {
 public:
  explicit Role(RoleKind kind) : kind_(kind) {}
  virtual ~Role() = default;
  RoleKind kind() const { return kind_; }
  // Everything that can fail because of the configuration fails here, before the role says that it
  // is ready.
  virtual net::Task<> start() = 0;
  // What it reads of the administrator's files; nullptr: nothing that can change while it runs.
  virtual net::WatchedFiles* files() = 0;
  // What it found beside them, as it knows by now.
  virtual config::Findings other_findings() const { return {}; }
  // How it is, for /health and `posthorn status`; nullptr: it tells nothing of itself.
  virtual const Report* report() const { return nullptr; }
  // A reload that was asked for is in use.
  virtual void reloaded() {}
  // SIGUSR1, ahead of the stop: users' sessions are told and ended, mail is still taken.
  virtual void end_sessions() {}
  // No new work; what has begun is finished or left in a safe state within the drain limit.
  virtual net::Awaitable<void> stop() = 0;

 private:
  const RoleKind kind_;
};

// How a role is made; which there are, app knows.
using MakeRole = std::unique_ptr<Role> (*)(RoleKind kind, RoleSetup setup);

}  // namespace posthorn::process
