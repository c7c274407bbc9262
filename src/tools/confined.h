// `posthorn confined` (not listed): becomes a role as far as account and fence go, then tries what
// it is told to and prints how that went. For the tests and for whoever doubts the fence.
#pragma once

#include <string>
#include <vector>

#include "process/sockets.h"

namespace posthorn::tools {

struct ConfinedOptions {
  std::string role;
  // read:PATH write:PATH list:PATH exec:PATH socket:unix|inet|inet6|packet call:NAME
  std::vector<std::string> attempts;
};

int run_confined(const config::Config& config, const ConfinedOptions& options);

}  // namespace posthorn::tools
