// The instance: one server on the same paths.run, told by a lock that the kernel lets go of when
// its process ends.
#pragma once

#include <optional>

#include "base/file.h"
#include "config/config.h"

namespace posthorn::process {

// The lock that makes a second instance on the same paths.run end at once; holds the supervisor's
// pid. `one holder` is the process; the kernel lets go when it ends. Only the service and root may
// open its file (posthorn.lock), so nobody else can lock it; posthorn.pid tells the pid to all.
Result<File> take_instance_lock(const config::Config& config);
// The pid of the running instance; nullopt: none runs. Members of users.admin_group learn it, too,
// from its sockets.
Result<std::optional<int>> find_instance(const config::Config& config);

// The lock is there and is not ours to hold: what the running server cannot be asked, cannot be
// done here.
bool is_anothers(const config::Config& config);

}  // namespace posthorn::process
