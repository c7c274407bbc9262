#include "tools/control.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include "net/own_loop.h"
#include "process/generation.h"
#include "process/instance.h"
#include "process/running.h"
#include "process/sockets.h"
#include "tools/complain.h"
#include "tools/settings.h"

namespace posthorn::tools {
namespace {

net::Task<net::Message> ask_once(net::LineChannel* channel, net::Message request,
                                 std::chrono::milliseconds patience) {
  auto answer = co_await channel->ask(std::move(request), patience);
  channel->close();
  co_return answer;
}

// True: there is a fault among them.
bool tell_findings(const config::Findings& findings) {
  bool has_faults = false;
  for (const config::Finding& finding : findings) {
    has_faults = has_faults || finding.weight == config::Weight::fault;
    const std::string weight = finding.weight == config::Weight::fault
                                   ? ""
                                   : fmt::format("{}: ", to_string(finding.weight));
    fmt::print(stderr, "{}{}\n", weight, finding.text());
  }
  return has_faults;
}

}  // namespace

Result<net::Message> ask_server(const config::Config& config, std::string_view socket,
                                net::Message request, std::chrono::milliseconds patience) {
  TRY(const auto pid, process::find_instance(config));
  if (!pid)
    return fail(ErrorKind::closed, fmt::format("the server is not running (no instance on {})",
                                               config.paths.run.native()));
  net::OwnLoop loop;
  net::LineChannel channel(loop.scope(), process::run_socket(config, socket));
  return loop.run(ask_once(&channel, std::move(request), patience));
}

int stop_server(const config::Config& config) {
  const auto pid = process::find_instance(config);
  if (!pid) return complain(pid.error().what);
  if (!*pid) return complain("the server is not running");
  if (::kill(**pid, SIGTERM) != 0) return complain(fmt::format("cannot signal process {}", **pid));
  const auto give_up = Clock::system().steady_now() + 4 * (config.limits.drain + 12s);
  while (Clock::system().steady_now() < give_up) {
    const auto still = process::find_instance(config);
    if (still && !*still) return 0;
    std::this_thread::sleep_for(50ms);
  }
  return complain(fmt::format("process {} has not ended", **pid));
}

int restart_server(const config::Config& config) {
  const auto pid = process::find_instance(config);
  if (!pid) return complain(pid.error().what);
  if (!*pid) return complain("the server is not running");
  auto faults = find_setting_faults(config);
  for (std::string& fault : find_permission_faults(config)) faults.push_back(std::move(fault));
  for (const std::string& fault : faults) fmt::print(stderr, "{}\n", fault);
  if (!faults.empty()) return complain("it was not restarted: it would not start so");
  const auto seen = find_file_info(process::kept_config(config));
  if (::kill(**pid, SIGUSR2) != 0) return complain(fmt::format("cannot signal process {}", **pid));
  const auto give_up = Clock::system().steady_now() + 4 * (config.limits.drain + 12s) + 60s;
  while (Clock::system().steady_now() < give_up) {
    std::this_thread::sleep_for(50ms);
    const auto now = find_file_info(process::kept_config(config));
    const bool is_new =
        seen && now && *now &&
        (!*seen || (*now)->inode != (*seen)->inode || (*now)->modified != (*seen)->modified);
    if (::kill(**pid, 0) != 0 && errno == ESRCH)
      return complain("it has ended, and did not start again; its log says why");
    if (is_new && process::are_all_answering(config)) {
      fmt::print("restarted, pid {}\n", **pid);
      return 0;
    }
  }
  return complain(fmt::format("process {} is not ready again", **pid));
}

int reload_server(const config::Config& config) {
  const auto reloaded = process::reload_all(config);
  if (!reloaded) return complain(reloaded.error().what);
  const bool has_faults = tell_findings(reloaded->findings);
  if (const auto keys = process::find_changed_keys(config); !keys.empty())
    fmt::print(stderr, "note: {}: edited, and waits for `posthorn restart`: {}\n",
               config.file.native(), fmt::join(keys, " "));
  if (!reloaded->is_committed)
    return complain("nothing was changed: what was in use before stays in use");
  if (has_faults) {
    fmt::print("reloaded, generation {}\n", reloaded->generation);
    return complain(
        "what has a fault was not taken: its last good form stays in use; all else is in use");
  }
  fmt::print("reloaded, generation {}\n", reloaded->generation);
  return 0;
}

int make_live(const config::Config& config) {
  const auto running = process::find_instance(config);
  if (!running || !*running) return 0;
  const auto reloaded = process::reload_all(config);
  if (!reloaded)
    return complain(fmt::format(
        "the change is written, but the server could not be told: {}; it "
        "looks by itself every {} s (maps.poll_interval)",
        reloaded.error().what,
        std::chrono::duration_cast<std::chrono::seconds>(config.maps.poll_interval).count()));
  if (!tell_findings(reloaded->findings)) return 0;
  return complain(reloaded->is_committed
                      ? "the change is written; of files with a fault the server goes on with the "
                        "last good form until that is mended"
                      : "the change is written, but the server goes on with the files of before "
                        "until this is mended");
}

}  // namespace posthorn::tools
