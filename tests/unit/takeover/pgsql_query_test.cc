// Proves that the queries of Postfix and Dovecot become queries of ours which ask the same, and
// that one which cannot be said so is named, with what to do.
#include "takeover/pgsql_query.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace posthorn::takeover {
namespace {

constexpr const char* kPlace = "hosts = 127.0.0.1\nuser = mail\npassword = p w'd\ndbname = mail\n";

std::string sql_of(const std::string& query, const std::string& more = "",
                   std::string_view table = "aliases") {
  const auto read = read_postfix_query(kPlace + ("query = " + query) + "\n" + more, table);
  return read ? read->sql : "!" + read.error();
}

TEST(PgsqlQuery, PercentWordsBecomeParameters) {
  struct Row {
    std::string query, sql;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"SELECT goto FROM alias WHERE address='%s' AND active = '1'",
            "SELECT goto FROM alias WHERE address=$1 AND active = '1'"},
           {"SELECT goto FROM alias WHERE address = %s;",
            "SELECT goto FROM alias WHERE address = $1"},
           {"SELECT 1 FROM u WHERE n='%u' AND d='%d'", "SELECT 1 FROM u WHERE n=$2 AND d=$3"},
           {"SELECT 1 FROM u WHERE a = '%u@%d'", "SELECT 1 FROM u WHERE a = ($2 || '@' || $3)"},
           {"SELECT g FROM a WHERE k = '@%d'", "SELECT g FROM a WHERE k = ('@' || $3)"},
           {"SELECT g FROM a WHERE k LIKE '%%%d'", "SELECT g FROM a WHERE k LIKE ('%' || $3)"},
           {"SELECT 'it''s' FROM a WHERE k = '%s'", "SELECT 'it''s' FROM a WHERE k = $1"},
           {"SELECT g FROM a\n WHERE k = lower('%s')\n AND x",
            "SELECT g FROM a WHERE k = lower($1) AND x"},
           {"SELECT g FROM a WHERE k = '%1'",
            "!it has %1, which is not known here; write the query "
            "with $1, $2, $3"},
           {"SELECT g FROM a WHERE k = '%s", "!a text in it has no closing quote; mend the query"},
           {"DELETE FROM a WHERE k = '%s'",
            "!it begins with DELETE, and may only ask: write a SELECT"},
           {"", "!it has no query; write one into the file"},
       })
    EXPECT_EQ(sql_of(row.query), row.sql);
}

TEST(PgsqlQuery, WhatElseAFileSays) {
  EXPECT_EQ(sql_of("SELECT h FROM t WHERE d = '%s'", "result_format = smtp:[%s]\n", "transport"),
            "SELECT 'smtp:[' || value || ']' FROM (SELECT h FROM t WHERE d = $1) AS old (value)");
  // Where only the key counts the value's form does not.
  EXPECT_EQ(sql_of("SELECT m FROM t WHERE a = '%s'", "result_format = %sMaildir/\n", "mailboxes"),
            "SELECT m FROM t WHERE a = $1");
  EXPECT_EQ(sql_of("SELECT h FROM t WHERE d = '%s'", "result_format = %d-%s\n").front(), '!');
  EXPECT_EQ(sql_of("SELECT g FROM t WHERE a = '%s'", "domain = a.test, B.test\n"),
            "SELECT value FROM (SELECT g FROM t WHERE a = $1) AS old (value) WHERE $3 IN "
            "('a.test', 'b.test')");
  EXPECT_EQ(sql_of("SELECT g FROM t WHERE a = '%s'", "domain = hash:/etc/x\n").front(), '!');
  const auto old = read_postfix_query(
      "user = mail\ndbname = mail\ntable = alias\nselect_field = goto\nwhere_field = address\n"
      "additional_conditions = AND active\nhosts = unix:/run/postgresql 10.0.0.1:5433\n",
      "aliases");
  ASSERT_TRUE(old) << old.error();
  EXPECT_EQ(old->sql, "SELECT goto FROM alias WHERE address = $1 AND active");
  EXPECT_EQ(old->database.conninfo,
            "host=/run/postgresql,10.0.0.1 port=5432,5433 dbname=mail user=mail");
}

TEST(PgsqlQuery, DovecotsAccounts) {
  const auto read = read_dovecot_queries(
      "# comment\ndriver = pgsql\nconnect = host=db dbname=mail user=mail password='s e'\n"
      "default_pass_scheme = SHA512-CRYPT\n"
      "password_query = SELECT username AS user, password FROM mailbox \\\n"
      "  WHERE username = '%u' AND domain = '%Ld' AND active\n"
      "user_query = SELECT '*:bytes=' || quota AS quota_rule FROM mailbox WHERE username = "
      "'%n@%d'\n");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->users,
            "SELECT CASE WHEN password LIKE '{%' THEN password ELSE '{SHA512-CRYPT}' || "
            "NULLIF(password, '') END FROM (SELECT username AS user, password FROM mailbox  "
            "WHERE username = $1 AND domain = $3 AND active) AS old WHERE lower(old.\"user\") IN "
            "($1::text, split_part($1::text, '@', 1))");
  EXPECT_NE(read->quotas.find("username = ($2 || '@' || $3)"), std::string::npos) << read->quotas;
  EXPECT_EQ(read->database, (OldDatabase{"host=db dbname=mail user=mail", "s e"}));
  EXPECT_FALSE(read_dovecot_queries("driver = mysql\npassword_query = SELECT 1\n"));
  EXPECT_FALSE(read_dovecot_queries("driver = pgsql\npassword_query = SELECT '%w'\n"));
  EXPECT_TRUE(read_dovecot_queries(
      "driver = pgsql\npassword_query = SELECT password FROM u WHERE n = '%{user | username}'\n"));
}

// What a row says beside the password closes, and opens nothing.
TEST(PgsqlQuery, WhatDovecotMakesOfARow) {
  struct Row {
    std::string query, scheme, has;  // "!…": the fault has it
  };
  for (const Row& row : std::initializer_list<Row>{
           {"SELECT password FROM u", "CRYPT", "SELECT password FROM (SELECT password FROM u) AS"},
           {"SELECT password FROM u", "", "ELSE '{PLAIN-MD5}' ||"},
           {"SELECT password FROM u", "plain", "'{PLAIN}' || NULLIF(password, '')"},
           {"SELECT password FROM u", "ssha256.hex", "'{SSHA256.HEX}' ||"},
           {"SELECT password FROM u", "CRAM-MD5", "!default_pass_scheme = CRAM-MD5"},
           {"SELECT password FROM u", "X' OR", "!default_pass_scheme"},
           {"SELECT u.password, u.allow_nets FROM u", "CRYPT", "WHERE allow_nets IS NULL"},
           {"SELECT crypt AS \"password\", 'y, z' AS nologin FROM u", "CRYPT", "nologin IS NULL"},
           {"SELECT (SELECT x FROM y) AS allow_nets, password::text FROM u", "CRYPT",
            "allow_nets IS NULL"},
           {"select password\\\n from u where not nologin", "CRYPT", "not nologin) AS old"},
           {"SELECT username, password FROM u", "CRYPT", "lower(old.\"username\") IN ($1"},
           {"SELECT * FROM u", "CRYPT", "!all columns"},
           {"SELECT password, u.* FROM u", "CRYPT", "!all columns"},
           {"SELECT crypt FROM u", "CRYPT", "!AS password"},
           {"SELECT password /* x */ FROM u", "CRYPT", "!a comment"},
           {"WITH a AS (SELECT 1) SELECT password FROM u", "CRYPT", "!begin with SELECT"},
       }) {
    const auto read =
        read_dovecot_queries("driver = pgsql\npassword_query = " + row.query +
                             (row.scheme.empty() ? "" : "\ndefault_pass_scheme = " + row.scheme));
    const std::string given = read ? read->users : "!" + read.error();
    EXPECT_EQ(given.front() == '!', row.has.front() == '!') << row.query << ": " << given;
    EXPECT_NE(given.find(row.has.substr(row.has.front() == '!' ? 1 : 0)), std::string::npos)
        << row.query << ": " << given;
  }
}

// Whom the userdb does not know is not let in; where that cannot be asked, nobody is.
TEST(PgsqlQuery, TheUserdbCounts) {
  const std::string passdb =
      "driver = pgsql\nconnect = dbname=mail\npassword_query = SELECT password FROM u\n";
  const auto users = [&](const std::string& userdb) {
    Plan plan;
    Report report;
    plan.add_query("userdb", userdb, "user.conf");
    plan.add_query("users", passdb, "pass.conf");
    map_queries(plan, report);
    const auto found = plan.settings().find("pgsql.queries.users");
    return found == plan.settings().end() ? report.lines().front().text : found->second.value;
  };
  const std::string connect = "driver = pgsql\nconnect = dbname=mail\n";
  EXPECT_NE(users(connect + "user_query = SELECT home FROM h WHERE n = '%u'\n")
                .find("EXISTS (SELECT 1 FROM (SELECT home FROM h WHERE n = $1)"),
            std::string::npos);
  EXPECT_NE(users(connect + "user_query = SELECT home FROM h WHERE s = '%s'\n").find("%s, which"),
            std::string::npos);
  EXPECT_NE(users(connect).find("no user_query"), std::string::npos);
  EXPECT_NE(users("connect = dbname=other\nuser_query = SELECT 1\n").find("another database"),
            std::string::npos);
}

TEST(PgsqlQuery, TheyBecomeSettings) {
  Plan plan;
  Report report;
  plan.add_query("aliases", kPlace + std::string("query = SELECT g FROM a WHERE k = '%s'\n"),
                 "a.cf");
  plan.add_query("aliases", kPlace + std::string("query = SELECT h FROM b WHERE k = '@%d'\n"),
                 "b.cf");
  plan.add_query("domains", "dbname = other\nquery = SELECT 1 FROM d WHERE k = '%s'\n", "c.cf");
  plan.set_list("maps.aliases", {"text:aliases"});
  map_queries(plan, report);
  const auto setting = [&](const std::string& key) { return plan.settings().at(key).value; };
  EXPECT_EQ(setting("maps.aliases"), "[\"text:aliases\", \"pgsql:\"]");
  EXPECT_EQ(setting("pgsql.conninfo"), "\"host=127.0.0.1 dbname=mail user=mail\"");
  EXPECT_EQ(plan.files().at("conf/pgsql-password").text, "p w'd\n");
  EXPECT_EQ(plan.files().at("conf/pgsql-password").mode, 0640U);
  // The first that answers; the second is asked for keys with a domain alone.
  const std::string sql = setting("pgsql.queries.aliases");
  EXPECT_NE(sql.find("$1 LIKE '%@_%'"), std::string::npos) << sql;
  EXPECT_NE(sql.find("WHERE NOT EXISTS (SELECT 1 FROM q1"), std::string::npos) << sql;
  EXPECT_EQ(sql.find("$3"), std::string::npos) << sql;
  EXPECT_FALSE(plan.settings().contains("pgsql.queries.domains"));
  EXPECT_EQ(report.count(Fate::taken), 2U);
  EXPECT_EQ(report.count(Fate::not_possible), 1U);
}

}  // namespace
}  // namespace posthorn::takeover
