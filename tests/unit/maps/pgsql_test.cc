// Proves, against a real PostgreSQL, that a key is only ever a value; that an answer is bounded;
// that a changed row is live at once; that a database that is down, frozen, full or without its
// schema is never "not there", while its last good answers count for a time; and that it is found
// again by itself.
#include "maps/pgsql.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "tests/support/postgres.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::maps {
namespace {

constexpr std::string_view kSchema =
    "CREATE TABLE posthorn.domains (id serial, name text PRIMARY KEY, note text);"
    "CREATE TABLE posthorn.aliases (id serial, address text PRIMARY KEY, targets text);"
    "CREATE TABLE posthorn.users (id serial, name text PRIMARY KEY, hash text);"
    "CREATE FUNCTION posthorn.tell() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN PERFORM pg_notify('posthorn', TG_TABLE_NAME); RETURN NULL; END$$;"
    "CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON posthorn.domains "
    "FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();"
    "CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON posthorn.aliases "
    "FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();"
    "CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON posthorn.users "
    "FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();";
constexpr Migration kMigrations[] = {{1, "0001_test", kSchema}};

test::Postgres& postgres() {
  static test::Postgres server(12);
  return server;
}

std::string fresh_name() {
  static int number = 0;
  return fmt::format("test{}", ++number);
}

using Answer = Result<Found>;

struct PgsqlTest : testing::Test {
  PgsqlTest() : name(fresh_name()), config(postgres().make_database(name)) {
    auto connection = PgsqlConnection::open(config, 10s);
    EXPECT_TRUE(connection) << (connection ? "" : connection.error().what);
    const auto done = migrate(**connection, kMigrations, [](const Migration&) {});
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
    sql("INSERT INTO posthorn.domains (name, note) VALUES ('example.test', '.');"
        "INSERT INTO posthorn.aliases (address, targets) VALUES ('a@example.test', "
        "'b@example.test');"
        "INSERT INTO posthorn.users (name, hash) VALUES ('a@example.test', '{PLAIN}good')");
  }
  ~PgsqlTest() override {
    if (database) database->stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  Pgsql& start() {
    database = std::make_unique<Pgsql>(loop.scope(), config, kMigrations);
    const auto started = loop.run(database->start());
    EXPECT_TRUE(started) << (started ? "" : started.error().what);
    loop.until([this] { return database->is_listening(); });
    return *database;
  }
  std::string sql(const std::string& text) const { return postgres().sql(text, name); }
  Answer find(const std::string& key, Question question = Question::aliases) {
    return loop.run(database->find(question, key));
  }
  // Until the answer to a key is what is hoped for, or the test's patience ends.
  void until_found(const std::string& key, const std::optional<std::string>& value,
                   Question question = Question::aliases) {
    const SteadyTime end = test::soon(15s);
    while (true) {
      const auto found = find(key, question);
      if (found && found->value == value) return;
      ASSERT_LT(Clock::system().steady_now(), end) << key;
      loop.idle(10ms);
    }
  }
  std::string name;
  config::Pgsql config;
  test::TestLoop loop;
  std::unique_ptr<Pgsql> database;
};

TEST_F(PgsqlTest, FoundAndNotThere) {
  start();
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
  EXPECT_EQ(find("b@example.test")->value, std::nullopt);
  EXPECT_EQ(find("example.test", Question::domains)->value, ".");
  EXPECT_EQ(find("a@example.test", Question::users)->value, "{PLAIN}good");
  EXPECT_EQ(loop.run(database->find_first(Question::aliases))->value, "a@example.test");
  const PgsqlTable aliases(database.get(), Question::aliases);
  const std::string id = sql("SELECT id FROM posthorn.aliases LIMIT 1");
  for (int i = 0; i < 2; ++i)  // the second answer is one that was kept
    EXPECT_EQ(loop.run(aliases.find("a@example.test"))->place.text(),
              "pgsql aliases row id=" + id.substr(0, id.find('\n')));
  EXPECT_EQ(database->domain_names(), std::vector<std::string>{"example.test"});
  EXPECT_LE(database->connections(), config.connections);
}

TEST_F(PgsqlTest, AKeyIsOnlyAValue) {
  start();
  const std::string keys[] = {
      "'; DROP TABLE posthorn.aliases;--",
      "\\'; DROP TABLE posthorn.aliases;--",
      "a@example.test' OR '1'='1",
      "\\",
      "%",
      "_@example.test",
      "$1",
      "\\x00",
      "a@example.test\n",
      " a@example.test",
      "a@example.test;",
      "\xC3\xA9",
      "\xF0\x9F\x93\xAF",
  };
  for (const std::string& key : keys) {
    const auto found = find(key);
    ASSERT_TRUE(found) << key << ": " << found.error().what;
    EXPECT_EQ(found->value, std::nullopt) << key;
  }
  // PostgreSQL's texts hold neither: no such row can be, and the database need not be asked.
  using namespace std::string_literals;
  for (const std::string& key :
       {""s, "a\0b"s, "a@example.test\0"s, "\xff"s, "\xC0\x80"s, "\xED\xA0\x80"s,
        "\xF4\x90\x80\x80"s, "\xC3"s, "\xE2\x82"s, std::string(5000, 'x')}) {
    const auto found = find(key);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->value, std::nullopt);
  }
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
  EXPECT_EQ(sql("SELECT count(*) FROM posthorn.aliases"), "1\n");
}

TEST_F(PgsqlTest, AChangedRowIsLiveAtOnce) {
  start();
  EXPECT_EQ(find("new@example.test")->value, std::nullopt);
  sql("INSERT INTO posthorn.aliases (address, targets) VALUES ('new@example.test', 'x@x.test')");
  until_found("new@example.test", "x@x.test");
  sql("UPDATE posthorn.aliases SET targets = 'y@y.test' WHERE address = 'new@example.test'");
  until_found("new@example.test", "y@y.test");
  sql("DELETE FROM posthorn.aliases WHERE address = 'new@example.test'");
  until_found("new@example.test", std::nullopt);
  sql("INSERT INTO posthorn.domains (name, note) VALUES ('second.test', '.')");
  loop.until([this] { return database->domain_names().size() == 2; });
}

TEST_F(PgsqlTest, AnswersAreKeptWhileChangesAreHeardOf) {
  start();
  (void)find("a@example.test");
  // Changed behind the triggers' back: the kept answer counts.
  sql("SET session_replication_role = replica; UPDATE posthorn.aliases SET targets = 'z@z.test'");
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
  // A listener that is lost may have missed something: everything is asked anew.
  sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mail' "
      "AND datname = current_database()");
  until_found("a@example.test", "z@z.test");
}

TEST_F(PgsqlTest, DownIsNeverNotThere) {
  start();
  (void)find("a@example.test");
  (void)find("b@example.test");
  (void)find("a@example.test", Question::users);
  (void)find("nobody@example.test", Question::users);
  postgres().stop();
  loop.until([this] { return !database->is_listening(); });
  const auto known = find("a@example.test"), user = find("a@example.test", Question::users),
             missing = find("b@example.test");
  EXPECT_EQ(known->value, "b@example.test");
  EXPECT_EQ(user->value, "{PLAIN}good");
  EXPECT_EQ(missing->value, std::nullopt);
  for (const auto& found : {known, user, missing}) EXPECT_EQ(found->freshness, Freshness::old);
  for (const auto& found : {find("c@example.test"), find("nobody@example.test", Question::users)}) {
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, ErrorKind::temporary);
  }
  EXPECT_FALSE(database->is_up());
  postgres().start();
  loop.until([this] { return database->is_listening(); });  // by itself
  const auto again = find("c@example.test");
  EXPECT_EQ(again->value, std::nullopt);
  EXPECT_EQ(again->freshness, Freshness::current);
  EXPECT_TRUE(database->is_up());
}

TEST_F(PgsqlTest, FrozenIsSlowOnlyAtFirst) {
  config.cache = 0ms;
  start();
  (void)find("a@example.test");
  postgres().freeze();
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
  EXPECT_FALSE(find("c@example.test"));
  const SteadyTime begun = Clock::system().steady_now();
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(find("c@example.test"));
  // Each would wait for a second, were it not known that it is of no use.
  EXPECT_LT(Clock::system().steady_now() - begun, 10s);
  EXPECT_LE(database->connections(), config.connections);
  postgres().thaw();
  until_found("c@example.test", std::nullopt);
}

TEST_F(PgsqlTest, LastGoodAnswersCountForASetTime) {
  test::ManualClock clock;
  config.last_good = 1h;
  database = std::make_unique<Pgsql>(loop.scope(), config, kMigrations, clock);
  ASSERT_TRUE(loop.run(database->start()));
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
  postgres().stop();
  loop.until([this] { return !database->is_listening(); });
  clock.advance(59min);
  EXPECT_TRUE(find("a@example.test"));
  clock.advance(2min);
  const auto found = find("a@example.test");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::temporary);
  postgres().start();
}

TEST_F(PgsqlTest, WhoWasShutOutStaysOut) {
  start();
  (void)find("a@example.test", Question::users);
  sql("DELETE FROM posthorn.users");
  // The answer that the change made void is no last good one.
  loop.until([this] { return database->cache().size() == 0; });
  postgres().stop();
  EXPECT_FALSE(find("a@example.test", Question::users));
  postgres().start();
}

TEST_F(PgsqlTest, MissingSchema) {
  config.cache = 0ms;
  start();
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
  sql("ALTER SCHEMA posthorn RENAME TO gone");
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
  const auto found = find("never@example.test");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::temporary);
  sql("ALTER SCHEMA gone RENAME TO posthorn");
  until_found("never@example.test", std::nullopt);
}

TEST_F(PgsqlTest, AnotherSchemaAtTheStart) {
  sql("DELETE FROM posthorn.migrations");
  database = std::make_unique<Pgsql>(loop.scope(), config, kMigrations);
  auto started = loop.run(database->start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::config);
  EXPECT_NE(started.error().what.find("posthorn migrate"), std::string::npos);
  sql("INSERT INTO posthorn.migrations VALUES (1, '0001_test'), (2, '0002_later')");
  started = loop.run(database->start());
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().what.find("newer"), std::string::npos) << started.error().what;
}

TEST_F(PgsqlTest, DownAtTheStartIsWaitedFor) {
  postgres().stop();
  database = std::make_unique<Pgsql>(loop.scope(), config, kMigrations);
  ASSERT_TRUE(loop.run(database->start()));
  EXPECT_FALSE(find("a@example.test"));
  postgres().start();
  loop.until([this] { return database->is_listening(); });
  EXPECT_EQ(find("a@example.test")->value, "b@example.test");
}

TEST_F(PgsqlTest, OutOfConnections) {
  config.cache = 0ms;
  config.connections = 8;
  start();
  (void)find("a@example.test");
  std::vector<std::unique_ptr<PgsqlConnection>> taken;
  while (auto more = PgsqlConnection::open(config, 5s)) {
    taken.push_back(*std::move(more));
    ASSERT_LT(taken.size(), 20U);
  }
  // What is held is shared by all.
  std::size_t good = 0, ended = 0;
  constexpr std::size_t kAtOnce = 50;
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    loop.scope().spawn(
        [](Pgsql* asked, std::size_t* right, std::size_t* over) -> net::Awaitable<void> {
          const auto found = co_await asked->find(Question::aliases, "a@example.test");
          *right += found && found->value ? 1 : 0;
          ++*over;
        }(database.get(), &good, &ended));
  }
  loop.until([&] { return ended == kAtOnce; });
  EXPECT_EQ(good, kAtOnce);
  EXPECT_GE(database->connections(), 1U);
  taken.clear();
  until_found("c@example.test", std::nullopt);
}

TEST_F(PgsqlTest, AnswersAreBounded) {
  config.cache = 0ms;
  start();
  sql("ALTER TABLE posthorn.aliases RENAME TO old;"
      "CREATE VIEW posthorn.aliases AS SELECT 1 AS id, 'many@x' AS address, 'b@x' AS targets "
      "FROM generate_series(1, 1000000) UNION ALL SELECT 1, 'long@x', repeat('x', 5000000);"
      "GRANT SELECT ON posthorn.aliases TO mail");
  const auto many = find("many@x");
  ASSERT_TRUE(many) << many.error().what;
  EXPECT_EQ(many->value, "b@x");
  EXPECT_FALSE(find("long@x"));
  auto connection = PgsqlConnection::open(config, 10s);
  ASSERT_TRUE(connection);
  const auto rows = (*connection)->ask({"SELECT * FROM posthorn.aliases", {}, 1000});
  ASSERT_FALSE(rows);
  EXPECT_NE(rows.error().what.find("more than 1000 rows"), std::string::npos);
  EXPECT_TRUE((*connection)->is_broken());
}

TEST_F(PgsqlTest, ASlowStatementEnds) {
  config.cache = 0ms;
  start();
  auto holder = PgsqlConnection::open(config, 30s);
  ASSERT_TRUE(holder);
  ASSERT_TRUE((*holder)->execute("BEGIN; LOCK posthorn.aliases IN ACCESS EXCLUSIVE MODE"));
  const auto found = find("c@example.test");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().kind, ErrorKind::permanent);
  EXPECT_TRUE(find("example.test", Question::domains));  // the others go on
  ASSERT_TRUE((*holder)->execute("COMMIT"));
  until_found("c@example.test", std::nullopt);
}

TEST_F(PgsqlTest, PasswordsStaySecret) {
  config::Pgsql wrong;
  for (const char* conninfo : {"host=/x password=sesame", "postgresql://mail:sesame@localhost/x",
                               "password='sesame", "sesame=1"}) {
    wrong.conninfo = conninfo;
    const auto opened = PgsqlConnection::open(wrong, 1s);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what.find("sesame"), std::string::npos) << opened.error().what;
    EXPECT_TRUE(find_conninfo_fault(wrong)) << conninfo;
  }
  const test::TempFolder folder;
  config.password_file = folder.write("password", "sesame\n");
  config.conninfo = fmt::format("host=127.0.0.1 port={} user=nobody dbname=x", postgres().port());
  const auto opened = PgsqlConnection::open(config, 5s);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().what.find("sesame"), std::string::npos) << opened.error().what;
  config.password_file = folder.path() / "none";
  EXPECT_FALSE(PgsqlConnection::open(config, 1s));
}

TEST(PgsqlPlaces, LocalAndFiles) {
  config::Pgsql config;
  const struct {
    const char* conninfo;
    bool local;
  } rows[] = {{"", true},
              {"dbname=x", true},
              {"host=/run/postgresql", true},
              {"host=/a,/b", true},
              {"host=/a,db.test", false},
              {"host=localhost", false},
              {"hostaddr=127.0.0.1", false},
              {"postgresql://db.test/x", false}};
  for (const auto& row : rows) {
    config.conninfo = row.conninfo;
    EXPECT_EQ(is_pgsql_local(config), row.local) << row.conninfo;
  }
  config.conninfo = "host=/x passfile=/etc/posthorn/pgpass sslrootcert=/etc/posthorn/ca.pem";
  config.password_file = "/etc/posthorn/pw";
  EXPECT_EQ(find_pgsql_files(config), (std::vector<Path>{"/etc/posthorn/pw", "/etc/posthorn/pgpass",
                                                         "/etc/posthorn/ca.pem"}));
}

}  // namespace
}  // namespace posthorn::maps
