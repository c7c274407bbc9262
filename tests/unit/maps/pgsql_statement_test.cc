// Proves that a statement's end and its parameters are found where PostgreSQL finds them: not in
// texts, names and comments.
#include "maps/pgsql_statement.h"

#include <gtest/gtest.h>

namespace posthorn::maps {
namespace {

TEST(PgsqlStatement, ParametersAreFoundWhereTheyCount) {
  struct Row {
    std::string_view text;
    unsigned values;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"SELECT a FROM t WHERE k = $1", 1},
           {"SELECT a FROM t WHERE k=$1::text", 1},
           {"select a from t where u = $2 and d = $3", 3},
           {"SELECT a FROM t WHERE u = $2", 2},
           {"SELECT a FROM t WHERE k = '$1'", 0},
           {"SELECT a FROM t WHERE k = 'it''s $1'", 0},
           {"SELECT a FROM t WHERE k = 'back\\' || $1", 1},
           {"SELECT a FROM t WHERE k = E'quote\\' $1 ' || $2", 2},
           {"SELECT \"$1\" FROM t", 0},
           {"SELECT \"say \"\"$1\"\"\" FROM t WHERE k = $1", 1},
           {"SELECT $$ $1 ; $$ FROM t", 0},
           {"SELECT $tag$ $$ $1 $tag$ FROM t", 0},
           {"SELECT a$1 FROM t", 0},  // a name may have a dollar in it
           {"SELECT a -- $1\nFROM t WHERE k = $1", 1},
           {"SELECT a /* $1 /* $2 */ $3 */ FROM t WHERE k = $1", 1},
           {"WITH x AS (SELECT 1) SELECT * FROM x WHERE $1 = ''", 1},
       }) {
    const auto read = read_statement(row.text);
    ASSERT_TRUE(read) << row.text << ": " << (read ? "" : read.error());
    EXPECT_EQ(read->values(), row.values) << row.text;
  }
}

TEST(PgsqlStatement, OneStatementThatOnlyAsks) {
  EXPECT_EQ(read_statement("\n  SELECT 1 ;  -- so\n /* and */ ;\n")->sql, "SELECT 1");
  EXPECT_EQ(read_statement("SELECT ';'")->sql, "SELECT ';'");
  struct Row {
    std::string_view text, why;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"", "no statement"},
           {" ; ", "no statement"},
           {"-- SELECT 1", "no statement"},
           {"SELECT 1; SELECT 2", "two statements"},
           {"SELECT 1; DROP TABLE t", "two statements"},
           {"DELETE FROM t WHERE k = $1", "begins with DELETE"},
           {"  insert INTO t VALUES ($1)", "begins with INSERT"},
           {"SET x = 1", "begins with SET"},
           {"SELECT 'x", "closing quote"},
           {"SELECT \"x", "closing quote"},
           {"SELECT $a$ x", "without its end"},
           {"SELECT /* x", "without its end"},
           {"SELECT a FROM t WHERE k = $4", "$4 is not known"},
           {"SELECT a FROM t WHERE k = $0", "$0 is not known"},
           {"SELECT a FROM t WHERE k = $10", "$10 is not known"},
       }) {
    const auto read = read_statement(row.text);
    ASSERT_FALSE(read) << row.text;
    EXPECT_NE(read.error().find(row.why), std::string::npos) << row.text << ": " << read.error();
  }
}

}  // namespace
}  // namespace posthorn::maps
