// `posthorn trace`: a mail's life as a story, from the trail (trail/story.h) of the running
// server, or, where none runs, out of its database.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct TraceOptions {
  std::string what;  // a queue id, a Message-ID, an address, a session; empty: all that match
  std::string sender, recipient;
  std::string since;  // "2d", "2026-11-30"
  bool refused = false;
  bool json = false;
  std::size_t max = 20;
};

// An exit code: 1 if nothing was found.
int trace_mail(const config::Config& config, const TraceOptions& options);

}  // namespace posthorn::tools
