// Proves, against a real PostgreSQL with another program's tables, what an own query answers: which
// keys it is asked for, how rows become a value, that it cannot write, that one which fails harms
// no other, and what the look before the start says of each kind of mistake.
#include "maps/pgsql_queries.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "maps/pgsql.h"
#include "maps/pgsql_rows.h"
#include "tests/support/postgres.h"
#include "tests/support/test_loop.h"

namespace posthorn::maps {
namespace {

constexpr const char* kTables =
    "CREATE TABLE domain (domain varchar(255) PRIMARY KEY, active boolean NOT NULL);"
    "CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255), "
    "local_part varchar(255), domain varchar(255), active int NOT NULL, quota bigint);"
    "CREATE TABLE alias (address varchar(255), goto text, active boolean NOT NULL);"
    "CREATE TABLE \"Odd Name\" (\"Key\" text, \"Value%s\" text);"
    "INSERT INTO domain VALUES ('example.test', true), ('off.test', false);"
    "INSERT INTO mailbox VALUES ('a@example.test', '{PLAIN}one', 'a', 'example.test', 1, 2048),"
    "('off@example.test', '{PLAIN}two', 'off', 'example.test', 0, 0),"
    "('none@example.test', NULL, 'none', 'example.test', 1, NULL),"
    "('o''hara@example.test', '{PLAIN}h', 'o''hara', 'example.test', 1, 0);"
    "INSERT INTO alias VALUES ('team@example.test', 'a@example.test', true),"
    "('team@example.test', 'b@far.test', true), ('team@example.test', NULL, true),"
    "('team@example.test', 'off@example.test', false), ('null@example.test', NULL, true),"
    "('Upper@Example.test', 'a@example.test', true),"
    "('lines@example.test', E'a@example.test,\\nb@far.test', true);"
    "INSERT INTO \"Odd Name\" VALUES ('100%@example.test', 'a@example.test');"
    "CREATE VIEW secret AS SELECT * FROM mailbox;"
    "GRANT SELECT ON domain, mailbox, alias, \"Odd Name\" TO mail;";

test::Postgres& postgres() {
  static test::Postgres server(30);
  return server;
}

std::string fresh_name() {
  static int number = 0;
  return fmt::format("own{}", ++number);
}

struct PgsqlQueriesTest : testing::Test {
  PgsqlQueriesTest() : name(fresh_name()) {
    config.pgsql = postgres().make_database(name);
    config.file = "/nowhere/posthorn.toml";
    config.maps.domains = config.maps.mailboxes = config.maps.aliases = {"pgsql:"};
    config.auth.users = config::UserSource::pgsql;
    const std::string made = sql(kTables);
    EXPECT_EQ(made.find("ERROR"), std::string::npos) << made;
    config.pgsql.queries = {
        {"domains", "SELECT 1 FROM domain WHERE domain = $1 AND active"},
        {"mailboxes", "SELECT username FROM mailbox WHERE username = $1 AND active = 1"},
        {"aliases", "SELECT goto FROM alias WHERE address = $1 AND active"},
        {"users",
         "SELECT password FROM mailbox WHERE local_part = $2 AND domain = $3 "
         "AND active = 1;"},
    };
  }
  ~PgsqlQueriesTest() override {
    if (database) database->stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  std::string sql(const std::string& text) const { return postgres().sql(text, name); }
  Result<> start() {
    database = std::make_unique<Pgsql>(loop.scope(), config.pgsql, std::span<const Migration>(),
                                       Clock::system(), PgsqlQueries(config));
    return loop.run(database->start());
  }
  // "-": it is not there; "!": it could not be asked.
  std::string find(Question question, const std::string& key) {
    const auto found = loop.run(database->find(question, key));
    return !found ? "!" + found.error().what : found->value.value_or("-");
  }
  // What the look says of one query in place of a good one.
  std::string look(const std::string& table, const std::string& query,
                   const std::string& list = "") {
    config::Config other = config;
    other.pgsql.queries[table] = query;
    if (!list.empty()) other.pgsql.lists[table] = list;
    std::string text;
    for (const config::Finding& finding : PgsqlQueries::find_faults(other))
      if (finding.weight == config::Weight::fault) text += finding.text() + "\n";
    if (!text.empty()) return text;
    const auto troubles = PgsqlQueries(other).look(other.pgsql);
    if (!troubles) return "!" + troubles.error().what;
    for (const auto& trouble : *troubles)
      text += trouble.finding.text() + (trouble.may_pass ? " (may pass)\n" : "\n");
    return text;
  }
  std::string name;
  config::Config config;
  test::TestLoop loop;
  std::unique_ptr<Pgsql> database;
};

TEST_F(PgsqlQueriesTest, RowsBecomeAnswers) {
  config.pgsql.queries["transport"] = "SELECT \"Value%s\" FROM \"Odd Name\" WHERE \"Key\" = $1";
  const auto started = start();
  ASSERT_TRUE(started) << started.error().what;
  struct Row {
    Question question;
    std::string key, answer;
  };
  for (const Row& row : std::initializer_list<Row>{
           {Question::domains, "example.test", "1"},
           {Question::domains, "off.test", "-"},
           {Question::domains, "x.test", "-"},
           {Question::mailboxes, "a@example.test", "a@example.test"},
           {Question::mailboxes, "off@example.test", "-"},
           {Question::mailboxes, "o'hara@example.test", "o'hara@example.test"},
           {Question::mailboxes, "' OR '1'='1", "-"},
           {Question::mailboxes, "%", "-"},
           {Question::aliases, "team@example.test", "a@example.test, b@far.test"},
           {Question::aliases, "null@example.test", "-"},
           {Question::aliases, "upper@example.test", "-"},  // as it stands there
           {Question::aliases, "lines@example.test", "a@example.test, b@far.test"},
           {Question::users, "a@example.test", "{PLAIN}one"},
           {Question::users, "none@example.test", "-"},
           {Question::users, "a", "-"},              // it has no domain
           {Question::users, "@example.test", "-"},  // nor this a name
           {Question::transport, "100%@example.test", "a@example.test"},
           {Question::quotas, "a@example.test", "-"},  // our quotas are of our users
       })
    EXPECT_EQ(find(row.question, row.key), row.answer) << row.key;
  EXPECT_EQ(PgsqlTable(database.get(), Question::mailboxes).name(), "pgsql query mailboxes");
  EXPECT_FALSE(database->queries().needs_schema());
}

TEST_F(PgsqlQueriesTest, RowsThatContradictAreNoAnswer) {
  config.pgsql.queries["users"] = "SELECT password FROM mailbox WHERE domain = $3";
  config.pgsql.queries["mailboxes"] =
      "SELECT active = 1, quota AS id FROM mailbox WHERE username = $1";
  ASSERT_TRUE(start());
  EXPECT_EQ(find(Question::users, "a@example.test").front(), '!');
  EXPECT_EQ(find(Question::users, "a@nowhere.test"), "-");
  // A boolean says whether; the number is for who explains.
  EXPECT_EQ(find(Question::mailboxes, "off@example.test"), "-");
  const PgsqlTable mailboxes(database.get(), Question::mailboxes);
  EXPECT_EQ(loop.run(mailboxes.find("a@example.test"))->place.text(),
            "pgsql query mailboxes row id=2048");
}

TEST_F(PgsqlQueriesTest, OneThatFailsHarmsNoOther) {
  config.pgsql.queries_cache = 0ms;
  config.pgsql.connections = 1;
  ASSERT_TRUE(start());
  loop.until([&] { return database->is_listening(); });
  EXPECT_EQ(find(Question::aliases, "team@example.test"), "a@example.test, b@far.test");
  sql("ALTER TABLE alias RENAME COLUMN goto TO target");
  for (int i = 0; i < 3; ++i) {
    // What is not remembered is put off, and never "not there"; the others go on.
    EXPECT_EQ(find(Question::aliases, "new@example.test").front(), '!');
    EXPECT_EQ(find(Question::mailboxes, "a@example.test"), "a@example.test");
    EXPECT_TRUE(database->is_up());
  }
  EXPECT_EQ(find(Question::aliases, "team@example.test"), "a@example.test, b@far.test");
  sql("ALTER TABLE alias RENAME COLUMN target TO goto");
  EXPECT_EQ(find(Question::aliases, "new@example.test"), "-");
  // A change is seen without being told of, and a NOTIFY of the owner's is heard.
  sql("UPDATE alias SET goto = 'c@far.test' WHERE goto = 'b@far.test'");
  EXPECT_EQ(find(Question::aliases, "team@example.test"), "a@example.test, c@far.test");
}

TEST_F(PgsqlQueriesTest, AnAnswerIsKeptUntilItsTimeOrANotice) {
  config.pgsql.queries_cache = 1h;
  ASSERT_TRUE(start());
  loop.until([&] { return database->is_listening(); });
  EXPECT_EQ(find(Question::mailboxes, "off@example.test"), "-");
  sql("UPDATE mailbox SET active = 1");
  EXPECT_EQ(find(Question::mailboxes, "off@example.test"), "-");
  sql("NOTIFY posthorn, 'mailboxes'");
  const SteadyTime end = test::soon(15s);
  while (find(Question::mailboxes, "off@example.test") == "-") {
    ASSERT_LT(Clock::system().steady_now(), end);
    loop.idle(10ms);
  }
}

TEST_F(PgsqlQueriesTest, TheLookSaysWhatIsWrong) {
  config.pgsql.timeout = 400ms;
  sql("CREATE TABLE written (k text); GRANT ALL ON written TO mail;"
      "CREATE FUNCTION write_it(text) RETURNS text LANGUAGE plpgsql AS "
      "$$BEGIN INSERT INTO written VALUES ($1); RETURN $1; END$$;");
  EXPECT_EQ(look("aliases", config.pgsql.queries["aliases"]), "");
  EXPECT_EQ(look("mailboxes", "SELECT true FROM mailbox WHERE username = $1"), "");
  EXPECT_EQ(look("aliases", "SELECT goto, 7 AS id FROM alias WHERE address = $1"), "");
  EXPECT_EQ(look("aliases", "SELECT goto FROM alias WHERE address IN ($1, '@' || $3) AND $2 <> ''"),
            "");
  struct Row {
    std::string table, query, said;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"aliases", "SELECT goto FROM alias WHERE adress = $1", "adress"},
           {"aliases", "SELECT goto FROM aliases WHERE address = $1", "search_path"},
           {"aliases", "SELECT goto FROM alias WERE address = $1", "syntax error"},
           {"aliases", "SELECT goto FROM alias", "asks for no key"},
           {"aliases", "SELECT goto FROM alias WHERE address = '%s'", "write $1 for Postfix's"},
           {"aliases", "SELECT goto FROM alias WHERE address = $1 AND active = 1",
            "boolean = integer"},
           {"aliases", "SELECT active FROM alias WHERE address = $1", "of type boolean"},
           {"aliases", "SELECT goto, address FROM alias WHERE address = $1", "2 columns"},
           {"aliases", "DELETE FROM alias WHERE address = $1 RETURNING goto", "may only ask"},
           {"aliases", "WITH d AS (INSERT INTO written VALUES ($1) RETURNING k) SELECT k FROM d",
            "read-only transaction"},
           {"aliases", "SELECT write_it($1)", "read-only transaction"},
           {"quotas", "SELECT quota FROM mailbox WHERE username = $1", "of type bigint"},
           {"users", "SELECT password FROM mailbox WHERE quota = $1", "a value of type bigint"},
           {"users", "SELECT password FROM secret WHERE username = $1", "GRANT SELECT"},
           {"users", "SELECT password FROM mailbox WHERE username = $5", "$5 is not known"},
           {"mailbox", "SELECT 1 FROM mailbox WHERE username = $1", "did you mean mailboxes?"},
           {"relay-sasl", "SELECT 'a:b'::text WHERE $1 = ''", "did you mean relay_sasl?"},
       }) {
    const std::string said = look(row.table, row.query);
    EXPECT_NE(said.find(row.said), std::string::npos) << row.query << ": " << said;
    EXPECT_NE(said.find("pgsql.queries." + row.table), std::string::npos) << said;
    EXPECT_EQ(said.find("may pass"), std::string::npos) << said;
  }
  EXPECT_EQ(sql("SELECT count(*) FROM written"), "0\n");
  EXPECT_NE(look("aliases", "SELECT goto FROM alias WHERE address = $1 || pg_sleep(5)::text")
                .find("(may pass)"),
            std::string::npos);
  const std::string& good = config.pgsql.queries["aliases"];
  EXPECT_NE(look("aliases", good, "SELECT address FROM alias").find("1 columns; a list of aliases"),
            std::string::npos);
  EXPECT_NE(look("aliases", good, "SELECT address, goto FROM alias WHERE address = $1")
                .find("given no key"),
            std::string::npos);
}

TEST_F(PgsqlQueriesTest, AWrongOneIsToldAtTheStart) {
  config.pgsql.queries["users"] = "SELECT hash FROM mailbox WHERE username = $1";
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::config);
  EXPECT_NE(started.error().what.find("pgsql.queries.users"), std::string::npos);
}

TEST_F(PgsqlQueriesTest, OursAreDemandedOnlyWhereTheyAreAsked) {
  EXPECT_FALSE(PgsqlQueries(config).needs_schema());
  config.maps.senders = {"pgsql:"};
  EXPECT_TRUE(PgsqlQueries(config).needs_schema());
  config.pgsql.queries.clear();
  EXPECT_TRUE(PgsqlQueries(config).needs_schema());
}

TEST_F(PgsqlQueriesTest, ListsAreReadAsTheirTables) {
  config.pgsql.lists = {{"domains", "SELECT domain FROM domain WHERE active -- ours\n;"},
                        {"aliases", "SELECT address, goto FROM alias WHERE active"}};
  ASSERT_TRUE(start());
  const PgsqlQueries& queries = database->queries();
  loop.until([&] { return database->is_listening(); });
  EXPECT_EQ(database->domain_names(), std::vector<std::string>{"example.test"});
  auto connection = PgsqlConnection::open(config.pgsql, 10s, queries.session());
  ASSERT_TRUE(connection);
  const auto aliases = read_rows(**connection, queries, Question::aliases);
  ASSERT_TRUE(aliases);
  EXPECT_TRUE(aliases->is_whole);
  const auto team = std::ranges::find(aliases->entries, "team@example.test", &Entry::key);
  ASSERT_NE(team, aliases->entries.end());
  EXPECT_EQ(team->value, "a@example.test, b@far.test");
  const auto mailboxes = read_rows(**connection, queries, Question::mailboxes);
  ASSERT_TRUE(mailboxes);
  EXPECT_FALSE(mailboxes->is_whole);
  EXPECT_TRUE(read_rows(**connection, queries, Question::quotas)->is_whole);
}

}  // namespace
}  // namespace posthorn::maps
