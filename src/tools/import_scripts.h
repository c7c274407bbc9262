// Users' Sieve scripts of another server into their accounts, as `posthorn sieve put` does it, of a
// server that runs or does not. What is there of the same name stays, and so does the active one.
#pragma once

#include <vector>

#include "config/config.h"
#include "takeover/plan.h"

namespace posthorn::tools {

Result<> import_scripts(const config::Config& config,
                        const std::vector<takeover::Plan::Script>& scripts);

}  // namespace posthorn::tools
