// The process around a role: the event loop, its signals, the drop of privileges, readiness, the
// drain.
#pragma once

#include <vector>

#include "config/config.h"
#include "process/role.h"
#include "process/sockets.h"

namespace posthorn::process {

// Ends with this status when a role cannot start because of what the administrator wrote
// (sysexits.h).
inline constexpr int kExitConfig = 78;
// EX_TEMPFAIL: the machine may give later what the role lacks now; the supervisor tries again.
inline constexpr int kExitTemporary = 75;

// One role in this process, with the sockets it inherited.
int run_role(const config::Config& config, MakeRole make, RoleKind role, std::size_t worker);
// All roles in this process, which binds the sockets itself: for development, debuggers,
// sanitizers.
int run_one_process(const config::Config& config, MakeRole make);

}  // namespace posthorn::process
