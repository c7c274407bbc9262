#include "tools/check.h"

#include <fmt/format.h>

#include "maps/migrations.h"
#include "maps/pgsql_connection.h"
#include "maps/pgsql_queries.h"
#include "tools/prepare.h"
#include "tools/table_store.h"
#include "tools/variables.h"

namespace posthorn::tools {
namespace {

class Check {
 public:
  void take(const config::Findings& findings) {
    for (const config::Finding& finding : findings) {
      if (finding.weight == config::Weight::fault)
        fault(finding.text());
      else
        fmt::print(stderr, "{}: {}\n", to_string(finding.weight), finding.text());
    }
  }
  template <class T>
  void expect(const Result<T>& result) {
    if (!result) fault(result.error().what);
  }
  int faults() const { return faults_; }

 private:
  void fault(std::string_view text) {
    fmt::print(stderr, "{}\n", text);
    ++faults_;
  }
  int faults_ = 0;
};

// Reached, of this version, and how much is in it.
void check_database(Check& check, const config::Config& config) {
  const maps::PgsqlQueries queries(config);
  const auto connection = open_for_tool(config, Schema::checked, queries.session());
  if (!connection) {
    // libpq's words stand behind the place; a connection string that is none is a setting's fault.
    if (!maps::find_conninfo_fault(config.pgsql))
      check.take(
          {{config::place_of(config, "pgsql", "conninfo") + ": pgsql.conninfo",
            fmt::format("the database cannot be asked: {}", connection.error().what),
            fmt::format("start it, or mend pgsql.conninfo and pgsql.password_file{}",
                        queries.needs_schema() ? "; `posthorn migrate` makes its tables" : "")}});
    return;
  }
  std::string rows;
  for (const maps::PgsqlTableShape& shape : maps::kPgsqlTables) {
    const bool is_own = queries.is_own(shape.question);
    if (!queries.is_there(shape.question)) continue;
    if (!queries.can_list(shape.question)) {
      rows += fmt::format(", {} by a query", shape.name);
      continue;
    }
    const auto count = (*connection)
                           ->ask({fmt::format("SELECT count(*) FROM ({}) AS rows",
                                              queries.list_of(shape.question)),
                                  {},
                                  1});
    // What is wrong with an own query was told with its place.
    if (!count && is_own) return;
    check.expect(count);
    if (!count || count->empty()) return;
    rows +=
        fmt::format(", {} {}{}", count->front().front(), shape.name, is_own ? " by a query" : "");
  }
  fmt::print("PostgreSQL: {}{}\n",
             queries.needs_schema() ? maps::migrations().back().name : "no schema of ours", rows);
}

}  // namespace

int check_instance(const config::Config& config) {
  Check check;
  check.take(prepare_instance(config));
  if (maps::uses_pgsql(config)) check_database(check, config);
  for (const std::string& line : describe_variables(config, config::environment()))
    fmt::print("{}\n", line);
  if (check.faults() > 0) return 1;
  fmt::print("no faults\n");
  return 0;
}

}  // namespace posthorn::tools
