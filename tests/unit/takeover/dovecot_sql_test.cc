// Proves which blocks of dovecot.conf with `driver = sql` are asked on in PostgreSQL: never one
// whose bounds a query does not have.
#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "takeover/dovecot_map.h"
#include "tests/support/temp_folder.h"

namespace posthorn::takeover {
namespace {

class DovecotSql : public testing::Test {
 protected:
  // The tables that are asked for, and what is told of the passdb's driver. @ is the file's name.
  std::string map(std::string text) {
    const std::string file = folder.write("sql.conf", "driver = pgsql\n").native();
    for (std::size_t i = 0; (i = text.find('@', i)) != text.npos;) text.replace(i, 1, file);
    Plan plan;
    Report report;
    const auto conf = read_dovecot_conf(folder.write("dovecot.conf", text));
    if (!conf) return conf.error().what;
    map_dovecot(*conf, plan, report);
    std::string out;
    for (const Plan::Query& query : plan.queries()) {
      EXPECT_EQ(query.source, file);
      out += query.table + " ";
    }
    for (const Line& line : report.lines())
      if (line.name == "passdb/args" && line.value == file)
        return out + fmt::format("{}: {}", to_string(line.fate), line.text);
    return out + "nothing told";
  }
  const test::TempFolder folder;
};

constexpr std::string_view kPassdb = "passdb {\n  driver = sql\n  args = @\n";
constexpr std::string_view kUserdb = "userdb {\n  driver = sql\n  args = @\n}\n";
constexpr std::string_view kStatic = "userdb {\n  driver = static\n  args = uid=v home=/v/%u\n}\n";

TEST_F(DovecotSql, ItsQueriesAreAsked) {
  EXPECT_EQ(map(fmt::format("{}}}\n{}", kPassdb, kStatic)).substr(0, 13), "users taken: ");
  EXPECT_EQ(map(fmt::format("{}}}\n{}", kPassdb, kUserdb)).substr(0, 20), "userdb users taken: ");
  // A static userdb in front knows everybody, one behind is not asked for whom the first knows.
  EXPECT_EQ(map(fmt::format("{}}}\n{}{}", kPassdb, kStatic, kUserdb)).substr(0, 6), "users ");
  EXPECT_EQ(
      map(fmt::format("{}  default_fields = userdb_uid=v\n}}\n{}", kPassdb, kStatic)).substr(0, 6),
      "users ");
}

TEST_F(DovecotSql, WhatNoQueryHasCloses) {
  const std::string deny = folder.write("deny", "out@one.test:\n").native();
  const std::pair<std::string, std::string_view> rows[] = {
      {fmt::format("{}  override_fields = allow_nets=10.0.0.0/8\n}}\n", kPassdb), "allow_nets"},
      {fmt::format("{}  default_fields = nologin=y\n}}\n", kPassdb), "nologin"},
      {fmt::format("{}  master = yes\n}}\n", kPassdb), "master"},
      {fmt::format("{}  username_filter = *@one.test\n}}\n", kPassdb), "username_filter"},
      {fmt::format("auth_username_format = %n\n{}}}\n", kPassdb), "auth_username_format"},
      {fmt::format("passdb {{\n  driver = passwd-file\n  deny = yes\n  args = {}\n}}\n{}}}\n", deny,
                   kPassdb),
       "deny = yes"},
      {fmt::format("passdb {{\n  driver = ldap\n  deny = yes\n  args = /x\n}}\n{}}}\n", kPassdb),
       "deny = yes"},
  };
  for (const auto& [text, word] : rows) {
    const std::string told = map(text + std::string(kStatic));
    EXPECT_EQ(told.substr(0, 14), "not possible: ") << told;
    EXPECT_NE(told.find(word), std::string::npos) << told;
  }
}

}  // namespace
}  // namespace posthorn::takeover
