// The folders below paths.* that the roles need, each owned by its role when root makes them.
#pragma once

#include "base/file.h"
#include "config/config.h"

namespace posthorn::process {

Result<> prepare_folders(const config::Config& config);

// For the keys that mail is signed with: who is not root keeps what he makes; else it is root's,
// and the queue's group may read it. A folder that is there stays as it is.
Result<> make_key_folder(const Path& path, const config::Config& config);
Result<> give_to_queue(const Path& path, const config::Config& config, mode_t mode);

}  // namespace posthorn::process
