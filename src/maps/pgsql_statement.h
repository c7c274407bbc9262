// A statement of SQL that an administrator wrote into the configuration, read as far as it must be
// known before PostgreSQL sees it: where it ends, which parameters it has, whether it asks at all.
// Nothing is ever put into its text but around the whole; values go beside it, bound.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace posthorn::maps {

struct PgsqlStatement {
  std::string sql;  // without its semicolon and what stands around it
  // Of $1, $2, $3: which stand in it.
  bool has_key = false, has_local = false, has_domain = false;
  // How many values it is given: up to the last of them.
  unsigned values() const { return has_domain ? 3 : has_local ? 2 : has_key ? 1 : 0; }
};

// The Error is a sentence for the operator. What PostgreSQL says better is left to it.
std::expected<PgsqlStatement, std::string> read_statement(std::string_view text);

}  // namespace posthorn::maps
