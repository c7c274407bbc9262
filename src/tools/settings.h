// What can be wrong with an instance before any of it runs: settings whose value makes no sense
// where it is used, and files that others of this machine could read or change. `posthorn serve`
// refuses to start on any of it, `posthorn check` tells it.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

inline constexpr const char* kDefaultConfig = "/etc/posthorn/conf/posthorn.toml";

// The file that is given, else POSTHORN_CONFIG, POSTHORN_CONF, /etc/posthorn/conf/posthorn.toml,
// /etc/posthorn/posthorn.toml.
Result<config::Config> find_config(const std::string& given);

// Each "file:line: reason".
std::vector<std::string> find_setting_faults(const config::Config& config);
// Each "path: reason". A key that every account can read, a spool that every account can write or
// that belongs to somebody else.
std::vector<std::string> find_permission_faults(const config::Config& config);

}  // namespace posthorn::tools
