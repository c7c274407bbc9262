// Queries become settings: several of one table in their order, where they are asked, the database.
#include <fmt/format.h>
#include <map>
#include <optional>

#include "takeover/dovecot_sql.h"
#include "takeover/pgsql_query.h"

namespace posthorn::takeover {

std::string in_order(const std::vector<std::string>& queries) {
  if (queries.size() == 1) return queries.front();
  // A parameter would keep the whole from being asked for keys that have no such part, where only
  // one of them is not (pgsql_table(5)): the parts are made of the whole key here.
  std::string with, rows, before;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    std::string sql = queries[i];
    std::string guard = "true";
    const auto use = [&](std::string_view parameter, std::string_view in_its_place,
                         std::string_view when) {
      bool is_there = false;
      for (std::size_t at = 0; (at = sql.find(parameter, at)) != std::string::npos;) {
        sql.replace(at, parameter.size(), in_its_place);
        at += in_its_place.size();
        is_there = true;
      }
      if (is_there) guard += fmt::format(" AND {}", when);
    };
    use("$2", "regexp_replace($1, '@[^@]*$', '')", "$1 NOT LIKE '@%'");
    use("$3", "substring($1 from '[^@]*$')", "$1 LIKE '%@_%'");
    with += fmt::format("{}q{} (value) AS (SELECT * FROM ({}) AS old WHERE {})",
                        i == 0 ? "WITH " : ", ", i + 1, sql, guard);
    rows += fmt::format(" {}SELECT value::text FROM q{}{}", i == 0 ? "" : "UNION ALL ", i + 1,
                        before.empty() ? "" : " WHERE " + before);
    before += fmt::format("{}NOT EXISTS (SELECT 1 FROM q{} WHERE value::text <> '')",
                          before.empty() ? "" : " AND ", i + 1);
  }
  return with + rows;
}

namespace {

// The lists of tables that ask them: what is there already stays, in front.
void ask_pgsql(Plan& plan, const std::string& table) {
  if (table == "users") return plan.set_text("auth.users", "pgsql");
  if (table == "quotas") return;
  const bool is_list = table != "relay_sasl";
  const auto found = plan.settings().find("maps." + table);
  if (!is_list) return plan.set_text("maps.relay_sasl", "pgsql:");
  if (found == plan.settings().end()) {
    if (plan.tables().contains(table))
      plan.set_list("maps." + table, {"text:" + table, "pgsql:"});
    else
      plan.set_list("maps." + table, {"pgsql:"});
  } else if (found->second.value.find("\"pgsql:\"") == std::string::npos) {
    std::string value = found->second.value;
    value.insert(value.rfind(']'), ", \"pgsql:\"");
    plan.set("maps." + table, value, found->second.source);
  }
}

class Queries {
 public:
  Queries(Plan& plan, Report& report) : plan_(plan), report_(report) {}

  void take(const Plan::Query& query) {
    if (query.table == "users") return take_accounts(query);
    if (query.table == "userdb") return take_userdb(query);
    const auto read = read_postfix_query(query.text, query.table);
    if (!read) return refuse(query, read.error());
    add(query, query.table, read->sql, read->database);
  }
  void finish() {
    for (const auto& [table, sql] : sql_) {
      plan_.set_text("pgsql.queries." + table, in_order(sql), sources_.at(table));
      ask_pgsql(plan_, table);
    }
    if (sql_.contains("users") && !plan_.accounts().empty())
      report_.add({.file = "",
                   .line = 0,
                   .name = "conf/users",
                   .value = "",
                   .fate = Fate::not_possible,
                   .text = "accounts are asked for in PostgreSQL alone (auth.users), and those of "
                           "the users file do not log in: bring them into its table"});
    if (!database_) return;
    plan_.set_text("pgsql.conninfo", database_->conninfo);
    if (database_->password.empty()) return;
    plan_.add_file("conf/pgsql-password", database_->password + "\n", 0640);
    plan_.set_text("pgsql.password_file", "conf/pgsql-password");
  }

 private:
  void take_accounts(const Plan::Query& query) {
    const auto read = read_dovecot_queries(query.text);
    if (!read) return refuse(query, read.error());
    if (!userdb_fault_.empty()) return refuse(query, userdb_fault_);
    if (userdb_ && userdb_->database.conninfo != read->database.conninfo)
      return refuse(query, "user_query asks another database; bring both together");
    add(query, "users", userdb_ ? only_known(read->users, userdb_->sql) : read->users,
        read->database, read->note);
    if (!read->quotas.empty()) add(query, "quotas", read->quotas, read->database);
  }
  // Whom the userdb does not know, Dovecot does not let in.
  void take_userdb(const Plan::Query& query) {
    auto read = read_dovecot_userdb(query.text);
    if (read)
      userdb_ = *std::move(read);
    else
      userdb_fault_ = read.error();
  }
  void add(const Plan::Query& query, const std::string& table, const std::string& sql,
           const OldDatabase& database, const std::string& note = "") {
    if (database_ && database_->conninfo != database.conninfo)
      return refuse(query, fmt::format("it asks another database than {}, and one is asked here; "
                                       "bring its tables there",
                                       first_));
    if (!database_) first_ = query.source;
    database_ = database;
    sql_[table].push_back(sql);
    std::string& source = sources_[table];
    source += (source.empty() ? "" : ", ") + query.source;
    tell(query, Fate::taken, "pgsql.queries." + table + note);
  }
  void refuse(const Plan::Query& query, const std::string& why) {
    tell(query, Fate::not_possible, why);
  }
  void tell(const Plan::Query& query, Fate fate, std::string text) {
    report_.add({.file = query.source,
                 .line = 0,
                 .name = query.table == "users" ? "password_query" : "query",
                 .value = "",
                 .fate = fate,
                 .text = std::move(text)});
  }

  Plan& plan_;
  Report& report_;
  std::map<std::string, std::vector<std::string>> sql_;
  std::map<std::string, std::string> sources_;
  std::optional<OldDatabase> database_;
  std::string first_;
  std::optional<OldQuery> userdb_;
  std::string userdb_fault_;
};

}  // namespace

void map_queries(Plan& plan, Report& report) {
  Queries queries(plan, report);
  for (const Plan::Query& query : plan.queries()) queries.take(query);
  queries.finish();
}

}  // namespace posthorn::takeover
