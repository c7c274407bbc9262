// `posthorn status`: what runs, where it listens, and what is wrong with it, from what the server
// wrote down at its start and what its processes answer now. As lines, or as one JSON object in
// which numbers are numbers. It holds no secret and no text of a mail.
#pragma once

#include "config/config.h"

namespace posthorn::tools {

struct StatusOptions {
  bool json = false;
};

// An exit code: 0, 1 (a process does not answer), 3 (it does not run, as systemctl and the LSB have
// it).
int print_status(const config::Config& config, const StatusOptions& options);

}  // namespace posthorn::tools
