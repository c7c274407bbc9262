// Proves that scripts reach the tables that [sieve.lists] names and no others, that addresses are
// looked for as in the other tables, and that "could not ask" is no answer.
#include "maps/lists.h"

#include <gtest/gtest.h>

#include "tests/support/tables.h"
#include "tests/support/test_loop.h"

namespace posthorn::maps {
namespace {

struct ListsTest : testing::Test {
  ListsTest() {
    files.write("domains", "example.org local\n");
    files.write("mailboxes", "bob@example.org bob\n");
    files.write("friends", "ann@elsewhere.test yes\n@kind.test yes\n");
    files.config().sieve.lists = {{":addrbook:friends", "friends"}};
  }
  std::string ask(const std::string& list, const std::string& value) {
    const auto loaded = load_tables(files.config());
    EXPECT_TRUE(loaded.set);
    const auto answer = loop.run(answer_listed(
        loaded.set, "+", net::Message("listed").add("list", list).add("value", value)));
    return answer ? answer->verb : "cannot: " + answer.error().what;
  }
  test::TableFiles files;
  test::TestLoop loop;
};

TEST_F(ListsTest, AddressesAsInOtherTables) {
  EXPECT_TRUE(load_tables(files.config()).faults.empty());
  EXPECT_EQ(ask(":addrbook:friends", "Ann@Elsewhere.test"), "yes");
  EXPECT_EQ(ask(":addrbook:friends", "ann+x@elsewhere.test"), "yes");
  EXPECT_EQ(ask(":addrbook:friends", "anybody@kind.test"), "yes");
  EXPECT_EQ(ask(":addrbook:friends", "bob@elsewhere.test"), "no");
  EXPECT_EQ(ask(":addrbook:friends", ""), "no");
}

TEST_F(ListsTest, NoOtherTableIsReached) {
  EXPECT_EQ(ask("mailboxes", "bob@example.org"), "cannot: no such list in [sieve.lists]");
}

TEST_F(ListsTest, ATableThatIsNotThereCannotBeAsked) {
  files.remove("friends");
  EXPECT_EQ(load_tables(files.config()).faults.size(), 1U);
  EXPECT_TRUE(ask(":addrbook:friends", "ann@elsewhere.test").starts_with("cannot: "));
}

TEST_F(ListsTest, PostgresHasNone) {
  files.config().sieve.lists = {{"x", "pgsql:"}};
  const auto loaded = load_tables(files.config());
  ASSERT_EQ(loaded.faults.size(), 1U);
  EXPECT_EQ(loaded.faults[0].reason, "sieve.lists: x cannot be a table of PostgreSQL");
}

}  // namespace
}  // namespace posthorn::maps
