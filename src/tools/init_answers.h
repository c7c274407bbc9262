// What `posthorn init` knows before its first question: by flags, by an instance that is there, and
// by the machine.
#pragma once

#include <optional>

#include "config/config.h"
#include "setup/answers.h"
#include "setup/dialogue.h"
#include "setup/names.h"
#include "tools/init.h"

namespace posthorn::tools {

// Each flag checked as an answer is; the error names the flag, one that is missing among them.
Result<setup::Answers> read_flags(const InitOptions& options);

// The instance that is there.
struct Present {
  Path file;
  config::Config config;             // its keys only, as they are written
  std::vector<std::string> domains;  // of maps/domains
  bool has_accounts = false;
  bool has_pgsql = false;  // tables and accounts are a database's
};
// nullopt: there is none.
Result<std::optional<Present>> find_present(const Path& folder);

setup::Machine look_at_machine();

}  // namespace posthorn::tools
