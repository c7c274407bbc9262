// `posthorn check`: the configuration and every file it names, checked as `serve` would, without a
// running server.
#pragma once

#include "config/config.h"

namespace posthorn::tools {

// Prints each fault as file:line: reason; exit status 1 if there is one.
int check_instance(const config::Config& config);

}  // namespace posthorn::tools
