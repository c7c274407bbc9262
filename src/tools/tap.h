// `posthorn tap`: prints the dialogs of the running server's connections as they pass, by the
// control sockets of each edge and of the queue. Ends with Ctrl-C, or when the server does.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct TapOptions {
  bool all = false;
  std::string user;     // alice@example.org
  std::string session;  // as in the log, "s=", or a queue id, "q="
  bool with_bodies = false;
};

int run_tap(const config::Config& config, const TapOptions& options);

}  // namespace posthorn::tools
