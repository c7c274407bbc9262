#include "tools/status.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "process/status_page.h"
#include "tools/complain.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

constexpr std::string_view kClear = "\x1b[H\x1b[2J";  // of a terminal: home, and all blank

int exit_code_of(const health::Page& page) {
  const auto troubles = health::find_troubles(page, Clock::system().now());
  const std::string state = health::judge(page, troubles).state;
  return state == "stopped" ? 3 : state == "red" ? 1 : 0;
}

// https://no-color.org: set, and not empty.
health::Palette palette() {
  const char* refused = std::getenv("NO_COLOR");
  const bool is_refused = refused != nullptr && *refused != '\0';
  return ::isatty(STDOUT_FILENO) == 1 && !is_refused ? health::Palette::coloured
                                                     : health::Palette::plain;
}

std::string render(const health::Page& page, const StatusOptions& options) {
  const WallTime now = Clock::system().now();
  if (!options.json) return health::to_text(page, now, palette());
  // A page a line, for a program that reads one after the other.
  return health::to_json(page, now,
                         options.watch ? health::Layout::one_line : health::Layout::indented);
}

bool write_out(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

// Signals wait while a page is made, so that none is cut.
class Pause {
 public:
  Pause() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, signal);
    sigprocmask(SIG_BLOCK, &signals_, &before_);
  }
  ~Pause() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;
  // False: somebody wants it to end.
  bool wait(double seconds) const {
    timespec left{};
    left.tv_sec = static_cast<time_t>(seconds);
    left.tv_nsec = static_cast<long>((seconds - std::floor(seconds)) * 1e9);
    return sigtimedwait(&signals_, nullptr, &left) < 0;
  }

 private:
  sigset_t signals_{}, before_{};
};

int watch(const config::Config& config, const StatusOptions& options) {
  const Pause pause;
  const bool is_redrawn = ::isatty(STDOUT_FILENO) == 1 && !options.json;
  do {
    const auto page = process::ask_page(config);
    if (!page) return complain(page.error().what);
    const std::string text = render(*page, options);
    if (!write_out(is_redrawn ? std::string(kClear) + text : options.json ? text : text + "\n"))
      return complain("standard output is closed");
  } while (pause.wait(*options.watch));
  return 0;
}

}  // namespace

int print_status(const config::Config& config, const StatusOptions& options) {
  if (options.dns) {
    const auto asked = ask_server(config, "queue-control.sock", net::Message("dns"));
    if (!asked) return complain(asked.error().what);
    if (asked->verb != "ok") return complain(asked->get("error"));
  }
  if (options.watch) return watch(config, options);
  const auto page = process::ask_page(config);
  if (!page) return complain(page.error().what);
  if (!write_out(render(*page, options))) return complain("standard output is closed");
  return exit_code_of(*page);
}

}  // namespace posthorn::tools
