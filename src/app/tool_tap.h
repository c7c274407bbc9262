// `posthorn tap`: prints the dialogs of the running server's connections as they pass, by the
// control socket of each edge. Ends with Ctrl-C, or when the server does.
#pragma once

#include <string>

#include "base/config.h"

namespace posthorn::app {

struct TapOptions {
  bool all = false;
  std::string user;     // alice@example.org
  std::string session;  // as in the log, "s="
  bool with_bodies = false;
};

int run_tap(const config::Config& config, const TapOptions& options);

}  // namespace posthorn::app
