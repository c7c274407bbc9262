// `posthorn vacation …`: an account's mail is answered while its user is away, beside whatever
// scripts there are, of a server that runs or does not.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct VacationOptions {
  std::string user;  // alice@example.org
  Path text;         // "-": standard input
  std::string subject;
  std::string from, to;  // days, 2026-12-24; empty: from now, for ever
  int days = 7;
};

// Exit status: 0; 75: try again later; 1.
int set_vacation(const config::Config& config, const VacationOptions& options);
int show_vacation(const config::Config& config, const VacationOptions& options);
int end_vacation(const config::Config& config, const VacationOptions& options);

}  // namespace posthorn::tools
