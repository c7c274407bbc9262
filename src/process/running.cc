#include "process/running.h"

#include <fmt/format.h>
#include <map>
#include <sstream>
#include <unistd.h>

#include "base/ascii.h"
#include "process/admin_group.h"
#include "process/sockets.h"

namespace posthorn::process {
namespace {

constexpr std::uint64_t kFileMax = 4U << 20U;

// What runs, a line each: "version 1.2", "pid 4711", "since 1795900000000" (milliseconds), "listens
// smtp 0.0.0.0:25".
Path account_of(const config::Config& config) {
  return told_folder(config) / "started";
}

// The annotated form has a key a line, below its section's.
std::map<std::string, std::string> values_of(const config::Config& config) {
  std::map<std::string, std::string> values;
  const std::string text = config::to_toml(config);
  std::string section;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t lf = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, lf);
    rest.remove_prefix(std::min(lf + 1, rest.size()));
    if (line.starts_with('[') && line.ends_with(']')) section = line.substr(1, line.size() - 2);
    const std::size_t equals = line.find(" = ");
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    values[fmt::format("{}.{}", section, line.substr(0, equals))] = line.substr(equals + 3);
  }
  return values;
}

}  // namespace

Path told_folder(const config::Config& config) {
  return config.paths.run / "told";
}

Path kept_config(const config::Config& config) {
  return config.paths.run / "started.toml";
}

Result<> keep_running_config(const config::Config& config) {
  std::string account = fmt::format("version {}\npid {}\nsince {}\n", POSTHORN_VERSION, ::getpid(),
                                    Clock::system().now().time_since_epoch().count());
  TRY(const auto specs, list_sockets(config));
  for (const SocketSpec& spec : specs)
    if (std::holds_alternative<net::TcpAddress>(spec.address))
      account += fmt::format("listens {} {}\n", spec.name, net::to_string(spec.address));
  const AdminGroup admins(config);
  TRY_OK(make_folders(Disk::real(), told_folder(config), 0755));
  TRY_OK(replace_file(Disk::real(), account_of(config), account, 0644));
  TRY(const auto text, read_file(config.file, kFileMax));
  TRY_OK(replace_file(Disk::real(), kept_config(config), text.value_or(""), 0600));
  // Whoever may not read the one may not read the other.
  if (admins.may_read(config.file)) admins.let_read(kept_config(config));
  return {};
}

std::optional<Running> find_running(const config::Config& config) {
  const auto text = read_file(account_of(config), kFileMax);
  if (!text || !*text) return std::nullopt;
  Running running;
  std::istringstream lines(**text);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string what, first, second;
    words >> what >> first >> second;
    if (what == "version") running.version = first;
    if (what == "pid") running.pid = to_number<int>(first).value_or(0);
    if (what == "since")
      running.since =
          WallTime(std::chrono::milliseconds(to_number<std::int64_t>(first).value_or(0)));
    if (what == "listens") running.listens.emplace_back(first, second);
  }
  return running;
}

std::vector<std::string> find_differences(const config::Config& before, const config::Config& now) {
  std::vector<std::string> keys;
  const auto old = values_of(before);
  for (const auto& [key, value] : values_of(now))
    if (const auto found = old.find(key); found == old.end() || found->second != value)
      keys.push_back(key);
  return keys;
}

std::vector<std::string> find_changed_keys(const config::Config& config) {
  const auto before = read_file(kept_config(config), kFileMax);
  const auto now = read_file(config.file, kFileMax);
  if (!before || !*before || !now || !*now || **before == **now) return {};
  // Both without the environment: the server's need not be this command's.
  const auto old = config::parse(**before, config.file);
  const auto edited = config::parse(**now, config.file);
  if (!old || !edited) return {};
  return find_differences(*old, *edited);
}

}  // namespace posthorn::process
