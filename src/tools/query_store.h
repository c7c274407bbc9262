// QueryStore: a table that an own query of the administrator's answers for (pgsql.queries), as the
// tools see it: it is found in and, where pgsql.lists has it, listed; it is never written.
#pragma once

#include "maps/pgsql_queries.h"
#include "tools/table_store.h"

namespace posthorn::tools {

class QueryStore final : public TableStore {
 public:
  // Both live longer.
  QueryStore(maps::PgsqlConnection& connection, const maps::PgsqlQueries& queries,
             maps::Question question)
      : connection_(connection), queries_(queries), question_(question) {}
  std::string place() const override { return queries_.name_of(question_); }
  bool is_text() const override { return false; }
  bool can_list() const override;
  Result<std::vector<KeyValue>> list() override;
  Result<std::optional<std::string>> find(const std::string& key) override;
  Result<> change(const std::vector<maps::TextChange>& changes) override;
  Result<> replace_all(const std::vector<KeyValue>& rows) override;

 private:
  std::unexpected<Error> refuse() const;

  maps::PgsqlConnection& connection_;
  const maps::PgsqlQueries& queries_;
  maps::Question question_;
};

}  // namespace posthorn::tools
