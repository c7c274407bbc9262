// What Postfix's pgsql: maps and Dovecot's dovecot-sql.conf ask of PostgreSQL, as queries of ours
// (pgsql.queries): each %-word becomes a bound parameter, whatever quotes stood around it. What a
// query did that cannot be said so is an Error with what to do, never a query that asks something
// else. Sans-I/O.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "takeover/plan.h"
#include "takeover/report.h"

namespace posthorn::takeover {

struct OldDatabase {
  std::string conninfo;  // libpq's, without the password
  std::string password;
  bool operator==(const OldDatabase&) const = default;
};

struct OldQuery {
  std::string sql;
  OldDatabase database;
};
// A file of pgsql_table(5), which answers for the table ("aliases").
std::expected<OldQuery, std::string> read_postfix_query(std::string_view text,
                                                        std::string_view table);

// password_query of dovecot-sql.conf, and what of user_query is kept here: the quota.
struct OldAccounts {
  std::string users, quotas;  // "": it asks for none
  std::string note;           // behind "taken": who is let in no more; "": nobody
  OldDatabase database;
};
std::expected<OldAccounts, std::string> read_dovecot_queries(std::string_view text);
// user_query of a userdb's file.
std::expected<OldQuery, std::string> read_dovecot_userdb(std::string_view text);

// Several maps of one table: as Postfix asks them, the first that has an answer counts.
std::string in_order(const std::vector<std::string>& queries);

// Makes settings of all queries that the plan has: pgsql.queries, pgsql.conninfo, the password's
// file. Those of "users" are dovecot-sql.conf's, "userdb" is the file of
// an only userdb: whom that does not know nobody lets in.
void map_queries(Plan& plan, Report& report);

}  // namespace posthorn::takeover
