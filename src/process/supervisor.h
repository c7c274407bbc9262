// The supervisor: binds every port, starts each role as a process of its own (`posthorn serve
// --role=edge`), starts one that died again after a back-off, and stops them in order on SIGTERM.
// It parses nothing that strangers send and reads no table; as root it only binds, and makes
// folders that belong to the roles.
#pragma once

#include "config/config.h"

namespace posthorn::process {

// Returns the exit status when all is over. program: argv[0]'s absolute path.
int supervise(const config::Config& config, const Path& program);

}  // namespace posthorn::process
