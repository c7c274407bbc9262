// Proves which entries go with an address that is taken away: all that lead to it, with a tag too,
// those that led nowhere else, and who named these; and that nothing else does.
#include "tools/references.h"

#include <gtest/gtest.h>

#include "tests/support/tables.h"

namespace posthorn::tools {
namespace {

struct ReferencesTest : testing::Test {
  ReferencesTest() {
    files.write("domains", "home.test ok\n");
    files.write("mailboxes", "alice@home.test ok\nbob@home.test ok\ncarol@home.test ok\n");
    files.config().paths.users = files.path("users");
    files.write("users", "");
  }
  // Everything that named it is taken out, or "error".
  std::string leave(const std::string& name, Departure::Kind kind) {
    Stores stores(files.config());
    References references(files.config(), stores);
    if (!references.find({.name = name, .kind = kind})) return "error";
    found_any = !references.is_empty();
    if (!references.take_out() || !stores.commit()) return "error";
    return test::read_text(files.path("aliases"));
  }
  std::string leave_account(const std::string& name) {
    return leave(name, Departure::Kind::account);
  }

  test::TableFiles files;
  bool found_any = false;
};

TEST_F(ReferencesTest, AnAccountLeavesTheAliasesThatLeadToIt) {
  struct Row {
    const char* before;
    const char* after;
  };
  const Row rows[] = {
      {"info@home.test alice@home.test, bob@home.test\n", "info@home.test alice@home.test\n"},
      {"info@home.test alice@home.test, bob+info@home.test\n", "info@home.test alice@home.test\n"},
      {"info@home.test alice@home.test\n", "info@home.test alice@home.test\n"},
      {"info@home.test bobby@home.test, alice@home.test\n",
       "info@home.test bobby@home.test, alice@home.test\n"},
      // The last one: the entry goes, and with it who named that.
      {"info@home.test bob@home.test\nall@home.test info@home.test, alice@home.test\n",
       "all@home.test alice@home.test\n"},
      {"a@home.test b@home.test\nb@home.test c@home.test\nc@home.test bob@home.test\n", ""},
      // A catch-all that led nowhere else goes; nobody is said to have named it.
      {"@home.test bob@home.test\n", ""},
      // carol has a mailbox: who writes to her still reaches it.
      {"carol@home.test bob@home.test\nlist@home.test carol@home.test\n",
       "list@home.test carol@home.test\n"},
      // A copy of his own mail: the others still get it.
      {"bob@home.test bob@home.test, alice@home.test\n", "bob@home.test alice@home.test\n"},
      {"list@home.test bob@home.test\nbob@home.test alice@home.test\n",
       "list@home.test bob@home.test\nbob@home.test alice@home.test\n"},
  };
  for (const Row& row : rows) {
    files.write("aliases", row.before);
    EXPECT_EQ(leave_account("bob@home.test"), row.after) << row.before;
    EXPECT_EQ(found_any, std::string_view(row.before) != row.after) << row.before;
  }
}

TEST_F(ReferencesTest, AnAliasThatIsAMailboxTooLeadsThereStill) {
  files.write("aliases", "bob@home.test alice@home.test\nlist@home.test bob@home.test\n");
  EXPECT_EQ(leave("bob@home.test", Departure::Kind::alias),
            "bob@home.test alice@home.test\nlist@home.test bob@home.test\n");
  files.write("aliases", "info@home.test alice@home.test\nlist@home.test info@home.test\n");
  // The entry itself is the command's to remove.
  EXPECT_EQ(leave("info@home.test", Departure::Kind::alias), "info@home.test alice@home.test\n");
}

TEST_F(ReferencesTest, AnAccountMayNoLongerSendAsAnybody) {
  files.write("senders",
              "info@home.test bob@home.test, alice@home.test\nsales@home.test bob@home.test\n"
              "bob@home.test alice@home.test\n");
  leave_account("bob@home.test");
  EXPECT_EQ(test::read_text(files.path("senders")), "info@home.test alice@home.test\n");
}

TEST_F(ReferencesTest, WhatAPatternNamesIsForAHandToMend) {
  files.write("patterns", "# bob@home.test once\n/^sales@/ bob@home.test\n");
  files.write("aliases", "info@home.test bob@home.test\n");
  files.config().maps.aliases = {"aliases", "regexp:patterns"};
  Stores stores(files.config());
  References references(files.config(), stores);
  ASSERT_TRUE(references.find({.name = "bob@home.test", .kind = Departure::Kind::account}));
  const auto refused = references.take_out();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("patterns:2:"), std::string::npos) << refused.error().what;
  EXPECT_EQ(refused.error().what.find("patterns:1:"), std::string::npos);
  EXPECT_EQ(test::read_text(files.path("aliases")), "info@home.test bob@home.test\n");
}

TEST_F(ReferencesTest, FindingChangesNothingAndNamesEachPlace) {
  const std::string text = "info@home.test bob@home.test, alice@home.test\n";
  files.write("aliases", text);
  Stores stores(files.config());
  References references(files.config(), stores);
  ASSERT_TRUE(references.find({.name = "bob@home.test", .kind = Departure::Kind::account}));
  ASSERT_TRUE(stores.commit());
  EXPECT_EQ(test::read_text(files.path("aliases")), text);
  const auto refused = references.refuse("bob@home.test");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find(files.path("aliases") + ":1"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::tools
