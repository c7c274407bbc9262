// `posthorn sieve test`: what a script would do with a mail. Nothing is done, and no account is
// looked at.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct SieveTrialOptions {
  Path script, mail;     // mail "-": standard input
  std::string from, to;  // empty: what its fields say; "<>": nobody
  bool with_trace = false;
};

// Exit status: 0; 1: the script has faults or fails on this mail, or a file cannot be read.
int try_sieve(const config::Config& config, const SieveTrialOptions& options);

}  // namespace posthorn::tools
