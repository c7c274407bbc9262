#include "maps/pgsql_rows.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>

#include "base/ascii.h"
#include "maps/text_lines.h"

namespace posthorn::maps {
namespace {

constexpr std::size_t kPage = 10'000;
constexpr std::size_t kOwnRowsMax = 1'000'000;  // of an own query's list, which comes in one piece

// Rows of one key among addresses are one entry, as an answer has them.
Result<RowList> read_own_rows(PgsqlConnection& connection, const PgsqlQueries& queries,
                              Question question, const RowBounds& bounds) {
  RowList list{.entries = {}, .is_whole = true, .weight = config::Weight::warning};
  const std::size_t rows_max = std::min(bounds.rows_max, kOwnRowsMax);
  TRY(auto rows,
      connection.ask({fmt::format("SELECT key, left(value, {1}) FROM ({0}) AS rows LIMIT {2}",
                                  queries.list_of(question), kPgsqlValueMax, rows_max + 1),
                      {},
                      rows_max + 1,
                      {},
                      PgsqlQuery::Of::own}));
  list.is_whole = rows.size() <= rows_max;
  std::unordered_map<std::string, std::size_t> entries;
  std::size_t number = 0;
  for (PgsqlRow& row : rows) {
    ++number;
    if (row[1].empty()) continue;
    const auto [known, is_new] = entries.emplace(row[0], list.entries.size());
    if (is_new)
      list.entries.push_back({std::move(row[0]), std::move(row[1]), number});
    else if (question == Question::aliases || question == Question::senders)
      list.entries[known->second].value += ", " + row[1];
  }
  return list;
}

}  // namespace

Result<RowList> read_rows(PgsqlConnection& connection, const PgsqlQueries& queries,
                          Question question, const RowBounds& bounds) {
  RowList list;
  if (!queries.can_list(question)) {
    list.is_whole = !queries.is_there(question);
    return list;
  }
  if (queries.is_own(question)) return read_own_rows(connection, queries, question, bounds);
  const PgsqlTableShape& shape = shape_of(question);
  std::string last = "0";
  while (list.entries.size() < bounds.rows_max) {
    if (bounds.is_stopped != nullptr && *bounds.is_stopped)
      return fail(ErrorKind::closed, "the server is stopping");
    TRY(const auto rows,
        connection.ask({fmt::format("SELECT id, {1}, left({2}, {3}) FROM posthorn.{0} "
                                    "WHERE id > $1::bigint ORDER BY id LIMIT {4}",
                                    shape.name, shape.key, shape.value, kPgsqlValueMax, kPage),
                        {last},
                        kPage}));
    for (const PgsqlRow& row : rows)
      list.entries.push_back({row[1], row[2], to_number<std::size_t>(row[0]).value_or(0)});
    if (rows.size() < kPage) return list;
    last = rows.back()[0];
  }
  list.is_whole = false;
  return list;
}

std::optional<std::string> fault_of_row(const Entry& row) {
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; };
  if (row.key.empty()) return "a row without a key";
  const std::string shown = "\"" + row.key.substr(0, 200) + "\"";
  if (std::ranges::any_of(row.key, is_odd))
    return shown + " has a blank or a line end in it, and is never found";
  if (row.key.front() == '#' || row.key != to_lower(row.key))
    return shown + " is never found: keys are in lower case, without # in front";
  if (has_control(as_line(row.value)))
    return shown + ": a control character in what stands beside it";
  return std::nullopt;
}

}  // namespace posthorn::maps
