// A role's eyes: what it would see of the files that it reads, for whoever may become it (`check`
// as root). The look itself happens in a process of its own that has the role's account and groups,
// so no rule of who may read what is written here a second time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"
#include "process/sockets.h"

namespace posthorn::process {

// Where accounts cannot be changed the role will be the caller, and looks with his eyes.
config::Findings look_as(const config::Config& config, RoleKind role,
                         const std::function<config::Findings()>& look);

// The commands that let a group, whose members read besides the account, read the files: for each
// folder on the way that they cannot pass, and for each file. Links are followed. Empty: nothing is
// in the way that the mode bits tell of.
std::string how_to_open(const std::vector<Path>& files, const std::string& account,
                        const std::string& group);

// The group that reads TLS keys: users.tls_group, or edge's own where there is no such group.
std::string group_of_keys(const config::Config& config);

// A folder on the way to the file, or the file, that is not root's, or that others may write to:
// who owns it could lead root's eyes elsewhere by a link. nullopt: there is none.
std::optional<std::string> find_stranger_on_the_way(const Path& file);

}  // namespace posthorn::process
