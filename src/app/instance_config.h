// The configuration that a command works with, and what is said where there is none to work with.
#pragma once

#include <fmt/format.h>
#include <string>
#include <utility>

#include "process/roles.h"
#include "process/sockets.h"
#include "tools/settings.h"

namespace posthorn::app {

// Runs a command that needs the configuration; says what is wrong with it otherwise.
template <class F>
int with_config(const std::string& given, F command) {
  auto config = tools::find_config(given);
  if (config) {
    process::look_for_trail_account(*config);
    process::look_for_acme_account(*config);
    return command(std::as_const(*config));
  }
  fmt::print(stderr, "posthorn: {}\n", config.error().what);
  return process::kExitConfig;
}

}  // namespace posthorn::app
