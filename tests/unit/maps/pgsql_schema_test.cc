// Proves that migrations go forward only, each whole or not at all, and that two programs that
// migrate at once apply each of them once; and that the files of migrations/ make tables that take
// what the text files hold and refuse what would break a lookup.
#include "maps/pgsql_schema.h"

#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <thread>

#include "maps/pgsql_rows.h"
#include "tests/support/postgres.h"
#include "tests/support/tree.h"

namespace posthorn::maps {
namespace {

test::Postgres& postgres() {
  static test::Postgres server(20);
  return server;
}

struct SchemaTest : testing::Test {
  SchemaTest() : name(fmt::format("schema{}", ++number)), config(postgres().make_database(name)) {}
  std::unique_ptr<PgsqlConnection> open() const {
    auto connection = PgsqlConnection::open(config, 30s);
    EXPECT_TRUE(connection) << (connection ? "" : connection.error().what);
    return *std::move(connection);
  }
  // The names of what was applied; the fault goes to error.
  std::vector<std::string> run(std::span<const Migration> migrations) {
    std::vector<std::string> applied;
    error.clear();
    const auto done = migrate(*open(), migrations, [&](const Migration& migration) {
      applied.emplace_back(migration.name);
    });
    if (!done) error = done.error().what;
    return applied;
  }
  std::string sql(const std::string& text) const { return postgres().sql(text, name); }

  static inline int number = 0;
  std::string name, error;
  config::Pgsql config;
};

using Names = std::vector<std::string>;
constexpr Migration kFirst{1, "0001_a", "CREATE TABLE posthorn.a (x int)"};
constexpr Migration kSecond{2, "0002_b",
                            "CREATE TABLE posthorn.b (x int); INSERT INTO posthorn.b VALUES (1)"};
constexpr Migration kBroken{
    3, "0003_c", "INSERT INTO posthorn.b VALUES (2); CREATE TABLE posthorn.c (x int); SELECT 1/0"};

TEST_F(SchemaTest, ForwardAndOnce) {
  const Migration one[] = {kFirst};
  const Migration two[] = {kFirst, kSecond};
  EXPECT_NE(**find_schema_fault(*open(), two), "");
  EXPECT_EQ(run(one), Names{"0001_a"});
  EXPECT_EQ(*find_schema_fault(*open(), one), std::nullopt);
  EXPECT_NE(find_schema_fault(*open(), two)->value_or("").find("0002_b"), std::string::npos);
  EXPECT_EQ(run(two), Names{"0002_b"});
  EXPECT_EQ(run(two), Names{});
  EXPECT_EQ(error, "");
  // The program of before does not know what is there now, and touches nothing.
  EXPECT_EQ(run(one), Names{});
  EXPECT_NE(error.find("newer"), std::string::npos);
  const Migration other[] = {{1, "0001_other", "SELECT 1"}, kSecond};
  EXPECT_EQ(run(other), Names{});
  EXPECT_NE(error.find("0001_a"), std::string::npos);
}

TEST_F(SchemaTest, ABrokenOneIsTakenBack) {
  const Migration all[] = {kFirst, kSecond, kBroken};
  EXPECT_EQ(run(all), (Names{"0001_a", "0002_b"}));
  EXPECT_NE(error.find("0003_c was taken back"), std::string::npos) << error;
  EXPECT_EQ(sql("SELECT count(*) FROM posthorn.b"), "1\n");
  EXPECT_EQ(sql("SELECT to_regclass('posthorn.c') IS NULL"), "t\n");
  EXPECT_EQ(sql("SELECT max(number) FROM posthorn.migrations"), "2\n");
  const Migration mended[] = {kFirst, kSecond, {3, "0003_c", "CREATE TABLE posthorn.c (x int)"}};
  EXPECT_EQ(run(mended), Names{"0003_c"});
}

TEST_F(SchemaTest, TwoAtOnce) {
  // Each would fail if it ran twice.
  const Migration all[] = {{1, "0001_a", "SELECT pg_sleep(0.2); CREATE TABLE posthorn.a (x int)"},
                           kSecond};
  std::vector<Names> applied(4);
  std::vector<std::string> errors(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < applied.size(); ++i)
      threads.emplace_back([&, i] {
        auto connection = PgsqlConnection::open(config, 30s);
        if (!connection) {
          errors[i] = connection.error().what;
          return;
        }
        const auto done = migrate(**connection, all, [&](const Migration& migration) {
          applied[i].emplace_back(migration.name);
        });
        if (!done) errors[i] = done.error().what;
      });
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < applied.size(); ++i) {
    EXPECT_EQ(errors[i], "");
    count += applied[i].size();
  }
  EXPECT_EQ(count, 2U);
}

TEST_F(SchemaTest, TheRealTables) {
  const auto script_of = [](std::string_view name) {
    std::ifstream file(test::tests_folder().parent_path() / "migrations" / name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  };
  const std::string tables = script_of("0001_tables.sql");
  const std::string quotas = script_of("0002_quotas_and_relays.sql");
  const std::string lines = script_of("0003_rows_as_lines.sql");
  const Migration all[] = {{1, "0001_tables", tables},
                           {2, "0002_quotas_and_relays", quotas},
                           {3, "0003_rows_as_lines", lines}};
  // A database from before it that holds what it refuses is upgraded, and keeps that.
  ASSERT_EQ(run(std::span(all).first(2)), (Names{"0001_tables", "0002_quotas_and_relays"}))
      << error;
  for (const char* statement :
       {"INSERT INTO posthorn.domains (name) VALUES ('blank.test ')",
        "INSERT INTO posthorn.mailboxes (address) VALUES ('x@blank.test ')",
        "INSERT INTO posthorn.aliases (address, targets) VALUES ('y@blank.test ', ' ')",
        "INSERT INTO posthorn.users (name, hash) VALUES ('x y', E'a\nb')"})
    ASSERT_EQ(sql(statement), "") << statement;
  ASSERT_EQ(run(all), Names{"0003_rows_as_lines"}) << error;
  EXPECT_EQ(sql("SELECT name FROM posthorn.domains"), "blank.test \n");
  const auto kept = read_rows(*open(), PgsqlQueries(), Question::aliases);
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->entries.size(), 1U);
  EXPECT_TRUE(fault_of_row(kept->entries.front()));
  EXPECT_EQ(sql("DELETE FROM posthorn.aliases; DELETE FROM posthorn.mailboxes;"
                "DELETE FROM posthorn.domains; DELETE FROM posthorn.users"),
            "");
  const struct {
    const char* statement;
    bool good;
  } rows[] = {
      {"INSERT INTO posthorn.domains (name) VALUES ('example.test')", true},
      {"INSERT INTO posthorn.domains (name) VALUES ('Example.test')", false},
      {"INSERT INTO posthorn.mailboxes (address) VALUES ('a@example.test')", true},
      {"INSERT INTO posthorn.mailboxes (address) VALUES ('a@example.test')", false},
      {"INSERT INTO posthorn.mailboxes (address) VALUES ('a@other.test')", false},
      {"INSERT INTO posthorn.mailboxes (address) VALUES ('@example.test')", false},
      {"INSERT INTO posthorn.mailboxes (address) VALUES ('B@example.test')", false},
      {"INSERT INTO posthorn.mailboxes (address) VALUES ('Ä@example.test')", true},
      {"INSERT INTO posthorn.aliases (address, targets) VALUES ('@example.test', 'a@example.test')",
       true},
      {"INSERT INTO posthorn.aliases (address, targets) VALUES ('b@example.test', '')", false},
      {"INSERT INTO posthorn.domains (name) VALUES ('blank.test ')", false},
      {"INSERT INTO posthorn.domains (name) VALUES (E'line.test\n')", false},
      {"INSERT INTO posthorn.domains (name) VALUES ('#x.test')", false},
      {"INSERT INTO posthorn.domains (name) VALUES ('müller.test')", true},
      {"INSERT INTO posthorn.mailboxes (address) VALUES ('a b@example.test')", false},
      {"INSERT INTO posthorn.mailboxes (address) VALUES (E'a\t@example.test')", false},
      {"INSERT INTO posthorn.aliases (address, targets) VALUES ('c@example.test', E'a@x.test\n"
       "b@x.test; Bob <c@x.test>')",
       true},
      {"INSERT INTO posthorn.aliases (address, targets) VALUES ('d@example.test', ' , ')", false},
      {"INSERT INTO posthorn.aliases (address, targets) VALUES ('d@example.test', E'a@x\x01')",
       false},
      {"INSERT INTO posthorn.aliases (address, targets) VALUES ('d @example.test', 'a@x')", false},
      {"INSERT INTO posthorn.senders (address, accounts) VALUES ('@x.test', ' ')", false},
      {"INSERT INTO posthorn.users (name, hash) VALUES ('n@example.test', '')", false},
      {"INSERT INTO posthorn.users (name, hash) VALUES ('n@example.test', E'{PLAIN}x\n')", false},
      {"INSERT INTO posthorn.users (name, hash) VALUES ('n n', '{PLAIN}x')", false},
      {"INSERT INTO posthorn.relay_sasl (nexthop, login) VALUES ('[hub]:27', E'u:p\n')", false},
      {"INSERT INTO posthorn.transport (pattern, nexthop) VALUES ('y', E'smtp:[h]\n')", false},
      {"DELETE FROM posthorn.domains", false},
      {"INSERT INTO posthorn.transport (pattern, nexthop) VALUES ('*', 'smtp:[hub]:25')", true},
      {"INSERT INTO posthorn.transport (pattern, nexthop) VALUES ('x', 'uucp:')", false},
      {"INSERT INTO posthorn.sender_relays (sender, nexthop) VALUES ('@a.test', '[hub]:25')", true},
      {"INSERT INTO posthorn.sender_relays (sender, nexthop) VALUES ('a.test', '[hub]:25')", false},
      {"INSERT INTO posthorn.sender_relays (sender, nexthop) VALUES ('@b.test', '[hub] :25')",
       false},
      {"INSERT INTO posthorn.relay_sasl (nexthop, login) VALUES ('[hub]:25', 'u:p')", true},
      {"INSERT INTO posthorn.relay_sasl (nexthop, login) VALUES ('[hub]:26', 'up')", false},
      {"INSERT INTO posthorn.users (name, hash) VALUES ('a@example.test', '{PLAIN}x')", true},
      {"INSERT INTO posthorn.users (name, hash) VALUES ('A@example.test', '{PLAIN}x')", false},
      {"INSERT INTO posthorn.quotas (name, rules) VALUES ('a@example.test', '*:storage=1G')", true},
      {"INSERT INTO posthorn.quotas (name, rules) VALUES ('b@example.test', '*:storage=1G')",
       false},
      {"UPDATE posthorn.quotas SET rules = '1G'", false},
  };
  for (const auto& row : rows) EXPECT_EQ(sql(row.statement).empty(), row.good) << row.statement;
  for (const PgsqlTableShape& shape : kPgsqlTables) {
    const auto found = open()->ask(find_query(shape.question, "nothing"));
    EXPECT_TRUE(found) << shape.name;
    EXPECT_TRUE(open()->ask(first_query(shape.question, 1))) << shape.name;
  }
}

}  // namespace
}  // namespace posthorn::maps
