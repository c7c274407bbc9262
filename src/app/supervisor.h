// The supervisor: binds every port, starts each role as a process of its own (`posthorn serve
// --role=edge`), starts one that died again after a back-off, and stops them in order on SIGTERM.
// It parses nothing that strangers send and reads no table; as root it only binds, and makes
// folders that belong to the roles.
#pragma once

#include "config/config.h"

namespace posthorn::app {

// Returns the exit status when all is over. program: argv[0]'s absolute path.
int supervise(const config::Config& config, const Path& program);

// The lock that makes a second instance on the same paths.run end at once; holds the supervisor's
// pid. `one holder` is the process; the kernel lets go when it ends. Only the service and root may
// open its file (posthorn.lock), so nobody else can lock it; posthorn.pid tells the pid to all.
Result<File> take_instance_lock(const config::Config& config);
// The pid of the running instance; nullopt: none runs.
Result<std::optional<int>> find_instance(const config::Config& config);

// The folders below paths.* that the roles need, each owned by its role when root.
Result<> prepare_folders(const config::Config& config);

// sd_notify(3) without libsystemd: a datagram to NOTIFY_SOCKET, if set.
void notify_systemd(std::string_view state);

}  // namespace posthorn::app
