// A line a process: "edge 0 up 4711 1795900000000 2 signal 11": the role, which worker, its state,
// pid, since when (milliseconds), restarts, and how the one before it ended.
#include "process/roster.h"

#include <fmt/format.h>
#include <sstream>

#include "process/running.h"

namespace posthorn::process {
namespace {

constexpr std::uint64_t kFileMax = 1U << 20U;

Path file_of(const config::Config& config) {
  return told_folder(config) / "roles";
}

}  // namespace

Result<> keep_roster(const config::Config& config, const std::vector<health::Role>& roles) {
  std::string text;
  for (const health::Role& one : roles)
    text += fmt::format("{} {} {} {} {} {} {}\n", one.role, one.worker, one.state, one.pid,
                        one.since.time_since_epoch().count(), one.restarts, one.last_end);
  return replace_file(Disk::real(), file_of(config), text, 0644);
}

std::vector<health::Role> find_roster(const config::Config& config) {
  std::vector<health::Role> roles;
  const auto text = read_file(file_of(config), kFileMax);
  if (!text || !*text) return roles;
  std::istringstream lines(**text);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    health::Role one;
    std::int64_t since = 0;
    if (!(words >> one.role >> one.worker >> one.state >> one.pid >> since >> one.restarts))
      continue;
    one.since = WallTime(std::chrono::milliseconds(since));
    std::getline(words >> std::ws, one.last_end);
    roles.push_back(std::move(one));
  }
  return roles;
}

}  // namespace posthorn::process
