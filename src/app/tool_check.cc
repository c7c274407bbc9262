#include "app/tool_check.h"

#include <fmt/format.h>

#include "app/migrations.h"
#include "app/settings.h"
#include "app/site_scripts.h"
#include "app/table_store.h"
#include "app/tool_dkim.h"
#include "app/variables.h"
#include "auth/password.h"
#include "auth/service.h"
#include "deliver/dkim_key.h"
#include "maps/pgsql_rows.h"
#include "maps/table_set.h"
#include "net/tls.h"
#include "route/rewriter.h"

namespace posthorn::app {
namespace {

class Check {
 public:
  void fault(std::string_view text) {
    fmt::print(stderr, "{}\n", text);
    ++faults_;
  }
  bool is_there(const Path& path) {
    const auto info = find_file_info(path);
    return !info || *info;
  }
  void warn(std::string_view text) { fmt::print(stderr, "warning: {}\n", text); }
  template <class T>
  void expect(const Result<T>& result) {
    if (!result) fault(result.error().what);
  }
  int faults() const { return faults_; }

 private:
  int faults_ = 0;
};

void check_users(Check& check, const Path& path) {
  const auto users = read_file(path);
  if (!users || !*users) {
    check.fault(fmt::format("{}:1: {}", path.native(),
                            users ? "there is no such file" : users.error().what));
    return;
  }
  const auth::UserFile file = auth::parse_users(**users, path.native());
  for (const std::string& fault : file.faults) check.fault(fault);
  for (const std::string& warning : file.warnings) check.warn(warning);
}

// The rows of users, as the lines of conf/users are.
void check_user_rows(Check& check, maps::PgsqlConnection& connection) {
  const auto rows = maps::read_rows(connection, maps::Question::users);
  check.expect(rows);
  for (const maps::Entry& row : rows ? *rows : std::vector<maps::Entry>()) {
    const std::string where = fmt::format("pgsql:users:{}", row.line);
    if (const auto fault = maps::fault_of_row(row))
      check.fault(fmt::format("{}: {}", where, *fault));
    else if (const auto why = auth::find_hash_fault(row.value))
      check.warn(fmt::format(
          "{}: nobody can log in as {}: {}; `posthorn user passwd` makes a hash that works", where,
          row.key, *why));
  }
}

// Of this version, and how much is in it.
void check_database(Check& check, const config::Config& config, maps::PgsqlConnection& connection) {
  if (config.auth.users == "pgsql") check_user_rows(check, connection);
  std::string rows;
  for (const maps::PgsqlTableShape& shape : maps::kPgsqlTables) {
    const auto count =
        connection.ask({fmt::format("SELECT count(*) FROM posthorn.{}", shape.name), {}, 1});
    check.expect(count);
    if (!count || count->empty()) return;
    rows += fmt::format(", {} {}", count->front().front(), shape.name);
  }
  fmt::print("PostgreSQL: {}{}\n", migrations().back().name, rows);
}

}  // namespace

int check_instance(const config::Config& config) {
  Check check;
  for (const std::string& fault : find_setting_faults(config)) check.fault(fault);
  for (const std::string& fault : find_permission_faults(config)) check.fault(fault);
  maps::RowReader rows;
  Result<std::unique_ptr<maps::PgsqlConnection>> database = nullptr;
  if (uses_pgsql(config)) {
    database = open_for_tool(config, Schema::checked);
    check.expect(database);
    if (database)
      rows = [&](maps::Question question) { return maps::read_rows(**database, question); };
  }
  const maps::Loaded tables = maps::load_tables(config, nullptr, nullptr, rows);
  for (const maps::Finding& finding : tables.faults) check.fault(finding.text());
  for (const maps::Finding& finding : tables.warnings) check.warn(finding.text());
  if (database && *database) check_database(check, config, **database);
  if (config.auth.users == "text") check_users(check, config.paths.users);
  if (!config.paths.smtp_users.empty()) check_users(check, config.paths.smtp_users);
  if (!config.srs.domain.empty() && check.is_there(config.srs.secret_file))
    check.expect(route::read_srs_secrets(config.srs.secret_file));
  const auto tls =
      net::TlsServer::load({{config.paths.certificate, config.paths.key}}, config.tls.folder);
  check.expect(tls);
  if (tls)
    for (const std::string& fault : (*tls)->faults()) check.fault(fault);
  for (const std::string& fault : deliver::find_dkim_faults(config.dkim.folder)) check.fault(fault);
  for (const std::string& fault : find_closed_dkim_keys(config)) check.fault(fault);
  SiteScripts scripts(config, SiteScripts::Told::by_return);
  for (const std::string& fault : scripts.load(scripts.look())) check.fault(fault);
  for (const std::string& fault : find_variable_faults(config, config::environment()))
    check.fault(fault);
  for (const std::string& line : describe_variables(config, config::environment()))
    fmt::print("{}\n", line);
  if (check.faults() > 0) return 1;
  fmt::print("no faults\n");
  return 0;
}

}  // namespace posthorn::app
