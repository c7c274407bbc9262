// The files of migrations/, embedded by the build in the order of their numbers, and whether this
// configuration needs them.
#pragma once

#include <span>

#include "config/config.h"
#include "maps/pgsql_schema.h"

namespace posthorn::maps {

std::span<const Migration> migrations();

// Does a table or the logins come from PostgreSQL?
bool uses_pgsql(const config::Config& config);
bool asks_pgsql(const config::Config& config, Question question);

}  // namespace posthorn::maps
