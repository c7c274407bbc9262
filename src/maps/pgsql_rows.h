// The rows of PostgreSQL's tables as a list, for who checks them all: `posthorn check`, never the
// running server. A row is read as a line of the text file that holds the same, and believed no
// more: what such a line could not say is a fault.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "maps/pgsql_connection.h"
#include "maps/pgsql_schema.h"
#include "maps/table.h"

namespace posthorn::maps {

// All rows in the order in which they were written; line is the id. Blocks.
Result<std::vector<Entry>> read_rows(PgsqlConnection& connection, Question question);

// Why a text file could not hold it, so that it is never found or never understood.
std::optional<std::string> fault_of_row(const Entry& row);

}  // namespace posthorn::maps
