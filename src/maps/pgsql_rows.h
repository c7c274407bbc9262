// The rows of PostgreSQL's tables as a list, for who checks them all: `posthorn check`, and the
// running server beside its work, up to a bound. A row is read as a line of the text file that
// holds the same, and believed no more: what such a line could not say is a fault.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "maps/pgsql_connection.h"
#include "maps/pgsql_queries.h"
#include "maps/table.h"
#include "maps/table_set.h"

namespace posthorn::maps {

struct RowBounds {
  std::size_t rows_max = 10'000'000;
  const std::atomic<bool>* is_stopped = nullptr;  // looked at between pages
};
// The rows in the order in which they were written; line is the id, of an own query's list the
// number in it. What cannot be listed has none, and is not whole. Blocks. An Error, too: it was
// stopped.
Result<RowList> read_rows(PgsqlConnection& connection, const PgsqlQueries& queries,
                          Question question, const RowBounds& bounds = {});

// Why a text file could not hold it, so that it is never found or never understood.
std::optional<std::string> fault_of_row(const Entry& row);

}  // namespace posthorn::maps
