#include "tools/check.h"

#include <fmt/format.h>

#include "maps/migrations.h"
#include "maps/pgsql_connection.h"
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
  const auto connection = open_for_tool(config, Schema::checked);
  if (!connection) {
    // libpq's words stand behind the place; a connection string that is none is a setting's fault.
    if (!maps::find_conninfo_fault(config.pgsql))
      check.take({{config::place_of(config, "pgsql", "conninfo") + ": pgsql.conninfo",
                   fmt::format("the database cannot be asked: {}", connection.error().what),
                   "start it, or mend pgsql.conninfo and pgsql.password_file; `posthorn migrate` "
                   "makes its tables"}});
    return;
  }
  std::string rows;
  for (const maps::PgsqlTableShape& shape : maps::kPgsqlTables) {
    const auto count =
        (*connection)->ask({fmt::format("SELECT count(*) FROM posthorn.{}", shape.name), {}, 1});
    check.expect(count);
    if (!count || count->empty()) return;
    rows += fmt::format(", {} {}", count->front().front(), shape.name);
  }
  fmt::print("PostgreSQL: {}{}\n", maps::migrations().back().name, rows);
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
