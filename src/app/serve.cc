#include "app/serve.h"

#include <filesystem>
#include <fmt/format.h>
#include <signal.h>

#include "app/make_role.h"
#include "base/events.h"
#include "process/roles.h"
#include "process/supervisor.h"
#include "tools/doubts.h"
#include "tools/settings.h"
#include "tools/srs_secret.h"
#include "tools/variables.h"

namespace posthorn::app {
namespace {

// All that is wrong, not only the first.
bool is_sound(const config::Config& config) {
  std::vector<std::string> faults = tools::find_setting_faults(config);
  for (std::string& fault : tools::find_permission_faults(config))
    faults.push_back(std::move(fault));
  for (const std::string& fault : faults) {
    log::Logger{}.error(event::config_refused, {{"error", fault}});
    fmt::print(stderr, "posthorn: {}\n", fault);
  }
  for (auto* const find : {tools::find_setting_doubts, tools::find_place_doubts})
    for (const config::Finding& doubt : find(config))
      log::Logger{}.warn(event::files_warning, {{"error", doubt.text()}});
  return faults.empty();
}

}  // namespace

int serve(const config::Config& config, const ServeOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);  // a log pipe that goes away does not take the mail with it
  const auto role = process::find_role(options.role);
  log::start({.level = config.log.level,
              .role = role                  ? options.role
                      : options.one_process ? "all"
                                            : "supervisor",
              .file = config.log.file,
              .descriptor = role ? process::take_inherited("POSTHORN_LOG_FD").release() : -1});
  if (role) return process::run_role(config, make_role, *role, options.worker);
  if (!is_sound(config)) return process::kExitConfig;
  const auto secret =
      config.srs.domain.empty() ? Result<bool>(false) : tools::make_srs_secret(config);
  const auto taken = secret ? tools::take_accounts(config) : std::unexpected(secret.error());
  if (!taken) {
    log::Logger{}.error(event::config_refused, {{"error", taken.error().what}});
    fmt::print(stderr, "posthorn: {}\n", taken.error().what);
    return process::kExitConfig;
  }
  if (options.one_process) return process::run_one_process(config, make_role);
  std::error_code error;
  const Path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    fmt::print(stderr, "posthorn: /proc/self/exe: {}\n", error.message());
    return 1;
  }
  return process::supervise(config, program);
}

}  // namespace posthorn::app
