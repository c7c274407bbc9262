#include "tools/query_store.h"

#include <fmt/format.h>

#include "maps/pgsql_rows.h"

namespace posthorn::tools {

bool QueryStore::can_list() const {
  return queries_.can_list(question_) || !queries_.is_there(question_);
}

Result<std::vector<KeyValue>> QueryStore::list() {
  if (!can_list())
    return fail(ErrorKind::permanent,
                fmt::format("{}: this query finds one key at a time, and the table cannot be "
                            "listed; write pgsql.lists.{}",
                            queries_.place_of(question_), maps::shape_of(question_).name));
  std::vector<KeyValue> found;
  TRY(auto rows, maps::read_rows(connection_, queries_, question_));
  if (!rows.is_whole)
    return fail(ErrorKind::permanent,
                fmt::format("{}: there are more than {} rows", place(), rows.entries.size()));
  for (maps::Entry& entry : rows.entries)
    found.emplace_back(std::move(entry.key), std::move(entry.value));
  return found;
}

Result<std::optional<std::string>> QueryStore::find(const std::string& key) {
  const auto query = queries_.find_query(question_, key);
  if (!query) return std::nullopt;
  TRY(const auto rows, connection_.ask(*query));
  TRY(auto found, queries_.read_found(question_, rows));
  if (!found) return std::nullopt;
  return std::move(found->value);
}

std::unexpected<Error> QueryStore::refuse() const {
  const std::string_view name = maps::shape_of(question_).name;
  if (!queries_.is_own(question_))
    return fail(ErrorKind::permanent,
                fmt::format("there is no table {} beside queries of your own; write "
                            "pgsql.queries.{}",
                            name, name));
  return fail(ErrorKind::permanent,
              fmt::format("{}: a table that a query of your own asks is only read; change its rows "
                          "with the program that writes them, or with SQL, which counts within "
                          "pgsql.queries_cache",
                          queries_.place_of(question_)));
}

Result<> QueryStore::change(const std::vector<maps::TextChange>&) {
  return refuse();
}

Result<> QueryStore::replace_all(const std::vector<KeyValue>&) {
  return refuse();
}

}  // namespace posthorn::tools
