// What the running server was started with: posthorn.toml as it was then, beside its sockets. It
// tells which keys were edited since; those wait for `posthorn restart`.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/config.h"

namespace posthorn::process {

// Where it is kept: made anew by each start.
Path kept_config(const config::Config& config);
// What everybody may know of the running server: its version and ports, its roles (roster.h). The
// web role can read in it behind its fence.
Path told_folder(const config::Config& config);
// Keeps the file as it is now, for whoever started the server alone; and tells version, pid, time
// and ports.
Result<> keep_running_config(const config::Config& config);
struct Running {
  int pid = 0;
  std::string version;
  WallTime since{};
  std::vector<std::pair<std::string, std::string>> listens;  // "smtp", "0.0.0.0:25"
};
// The program that runs; nullopt: it wrote nothing down.
std::optional<Running> find_running(const config::Config& config);
// "smtp.banner", of the file as it is now; empty if none, or if nothing is known.
std::vector<std::string> find_changed_keys(const config::Config& config);
// Of two configurations.
std::vector<std::string> find_differences(const config::Config& before, const config::Config& now);

}  // namespace posthorn::process
