// The roster: which processes the server has, in what state, and how often each was started again.
// The supervisor keeps it in a file that everybody may read; whoever makes the status page reads
// it. Nothing but this machine's process numbers stands in it.
#pragma once

#include <vector>

#include "config/config.h"
#include "health/page.h"

namespace posthorn::process {

Result<> keep_roster(const config::Config& config, const std::vector<health::Role>& roles);
// Empty: no server has written one.
std::vector<health::Role> find_roster(const config::Config& config);

}  // namespace posthorn::process
