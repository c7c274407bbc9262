// The files of an instance as `posthorn init` writes them: settings, tables, secrets, certificate,
// folders. What is there already stays as it is.
#pragma once

#include "config/config.h"
#include "tools/init.h"

namespace posthorn::tools {

// posthorn.toml as it would be made.
Result<config::Config> instance_config(const InitOptions& options);
// Whether something can be made there.
Result<> check_place(const Path& folder);
// Whether all that was asked for makes sense, and the accounts are there. Writes nothing.
Result<> check_init(const InitOptions& options);
// A second time it makes what is missing, and says what it did not change. The configuration as it
// is then.
Result<config::Config> make_instance(const InitOptions& options);

}  // namespace posthorn::tools
