// `posthorn relay test`: the whole conversation that the queue would have with a smarthost, without
// a message, and what to change.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct RelayOptions {
  std::string name;  // a next hop, or an address whose relay is meant; empty: all there are
  std::string from, to;
  bool json = false;
};

// An exit status: 0 all work, 75 one may by itself, 1 one does not until something is changed.
int test_relay(const config::Config& config, const RelayOptions& options);

}  // namespace posthorn::tools
