// Doubts: settings, files and folders that work and are surely not meant so. None of them keeps the
// server from starting; `check` tells them and a start logs them.
#pragma once

#include "config/config.h"
#include "config/finding.h"

namespace posthorn::tools {

// Of posthorn.toml and the environment, on this machine. Blocks.
config::Findings find_setting_doubts(const config::Config& config);
// Of folders that are not what they were, and secrets that lie open. Blocks.
config::Findings find_place_doubts(const config::Config& config);
// Of maildirs that the store could not use, with its eyes. Blocks; looks at so many at most.
inline constexpr std::size_t kMailboxesLookedAt = 10'000;
config::Findings find_mailbox_doubts(const config::Config& config,
                                     const std::vector<std::string>& mailboxes);

}  // namespace posthorn::tools
