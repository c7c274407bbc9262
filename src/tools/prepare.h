// One look at a whole generation: configuration, tables, users, secrets, keys, certificates,
// scripts, listeners, relay, spamd, database. `check` prints what it finds; a start and a reload
// read the same files by the same code, each role its own. What one role alone may read is looked
// at with its eyes.
#pragma once

#include "config/config.h"
#include "config/finding.h"

namespace posthorn::tools {

// Blocks. Changes nothing.
config::Findings prepare_instance(const config::Config& config);

}  // namespace posthorn::tools
