// `posthorn sieve …`: a user's Sieve scripts, of a server that runs or does not; and what is wrong
// in a script that lies anywhere. A script with a fault is put nowhere.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "tools/sieve_trial.h"

namespace posthorn::tools {

struct SieveOptions {
  std::string user;  // alice@example.org
  std::string name;  // of the script; show: empty: the active one
  Path file;         // put; "-": standard input
  bool and_activate = false;
  std::vector<Path> files;  // check
  std::string config;       // check: whose lists scripts may ask; empty: none
  SieveTrialOptions trial;  // test
};

// Exit status: 0; 75: try again later; 1.
int list_scripts(const config::Config& config, const SieveOptions& options);
int show_script(const config::Config& config, const SieveOptions& options);
int put_script(const config::Config& config, const SieveOptions& options);
int activate_script(const config::Config& config, const SieveOptions& options);
int deactivate_script(const config::Config& config, const SieveOptions& options);
int remove_script(const config::Config& config, const SieveOptions& options);
// Each fault and warning as "file:line:column: text" on standard error.
int check_scripts(const SieveOptions& options);

}  // namespace posthorn::tools
