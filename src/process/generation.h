// A generation over the roles: each prepares what it alone may read, and then all put it to use, or
// none does. Whoever asks for it (`posthorn reload`, which the supervisor runs at SIGHUP, too) sees
// findings, no contents: no process reads all secrets. Each process listens on a socket of its own,
// "edge-0.reload.sock", for the line protocol:
//
//   prepare  number=…          ok | refused, with weight= where= reason= remedy= for each finding
//   commit   number=…          ok generation=… | refused
//   drop     number=… error=…  ok
//   status, checks, metrics    as process/report.h has them: what the role tells of itself
#pragma once

#include "config/config.h"
#include "net/watched_files.h"
#include "process/listeners.h"
#include "process/role.h"

namespace posthorn::process {

// Answers on all sockets of that kind which the role was given. The role outlives the scope.
void serve_generation(net::Scope& scope, Listeners& listeners, Role& role);

struct Reloaded {
  config::Findings findings;
  bool is_committed = false;
  std::string generation;  // of the tables
};
// Both phases over all roles of the running server. An Error: it does not run, or another reload
// does not end. Blocks.
Result<Reloaded> reload_all(const config::Config& config);
// Every process of the server takes questions. Blocks.
bool are_all_answering(const config::Config& config);
// The same within one process.
net::Awaitable<void> reload_here(const std::vector<Role*>& roles);

}  // namespace posthorn::process
