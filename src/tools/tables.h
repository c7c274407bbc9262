// `posthorn migrate` and `posthorn tables copy|diff`: PostgreSQL's schema, and moving the tables
// and accounts between the files and PostgreSQL, both ways.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

int run_migrate(const config::Config& config);

struct TablesOptions {
  std::string from, to;  // "text", "pgsql"
};
// Makes all seven tables of to what they are in from.
int copy_tables(const config::Config& config, const TablesOptions& options);
// Prints what copy would change, "-table key value" and "+table key value"; exit status 1 if
// anything. Hashes and passwords are not printed.
int diff_tables(const config::Config& config, const TablesOptions& options);

}  // namespace posthorn::tools
