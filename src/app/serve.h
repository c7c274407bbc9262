// `posthorn serve`: the supervisor, one role with the sockets it inherited, or all in one process.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::app {

struct ServeOptions {
  bool one_process = false;
  std::string role;
  std::size_t worker = 0;
};

// Returns the exit status when all is over. What is wrong before anything runs is told, all of it.
int serve(const config::Config& config, const ServeOptions& options);

}  // namespace posthorn::app
