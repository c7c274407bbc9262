// Proves that a table of text files is read and changed as one table: the first file takes what is
// new, keys are compared as the server compares them, and nothing is written before commit.
#include "tools/table_store.h"

#include <gtest/gtest.h>

#include "tests/support/tables.h"

namespace posthorn::tools {
namespace {

using maps::Question;

struct TableStoreTest : testing::Test {
  TableStoreTest() {
    files.write("domains", "home.test ok\n");
    files.write("mailboxes", "# ours\nalice@home.test ok\nbob@home.test ok\n");
    files.write("aliases", "info@home.test alice@home.test\n");
  }
  std::string text_of(const std::string& name) const { return test::read_text(files.path(name)); }
  test::TableFiles files;
};

TEST_F(TableStoreTest, WhatWasSetIsFoundAndWrittenAtCommit) {
  Stores stores(files.config());
  const auto aliases = stores.open(Question::aliases);
  ASSERT_TRUE(aliases);
  EXPECT_TRUE((*aliases)->is_text());
  EXPECT_EQ((*aliases)->place(), files.path("aliases"));
  ASSERT_TRUE((*aliases)->set("sales@home.test", "bob@home.test"));
  EXPECT_EQ((*aliases)->find("sales@home.test").value(), "bob@home.test");
  EXPECT_EQ((*aliases)->find("none@home.test").value(), std::nullopt);
  EXPECT_EQ(text_of("aliases"), "info@home.test alice@home.test\n");
  ASSERT_TRUE(stores.commit());
  EXPECT_EQ(text_of("aliases"), "info@home.test alice@home.test\nsales@home.test bob@home.test\n");
}

TEST_F(TableStoreTest, WhatIsNotThereIsNotRemoved) {
  Stores stores(files.config());
  const auto mailboxes = stores.open(Question::mailboxes);
  ASSERT_TRUE(mailboxes);
  EXPECT_EQ((*mailboxes)->remove("nobody@home.test").value(), false);
  EXPECT_EQ((*mailboxes)->remove("bob@home.test").value(), true);
  EXPECT_EQ((*mailboxes)->remove("bob@home.test").value(), false);
  ASSERT_TRUE(stores.commit());
  EXPECT_EQ(text_of("mailboxes"), "# ours\nalice@home.test ok\n");
}

TEST_F(TableStoreTest, TwoTablesAreWrittenTogetherOrNotAtAll) {
  Stores stores(files.config());
  const auto mailboxes = stores.open(Question::mailboxes);
  const auto aliases = stores.open(Question::aliases);
  ASSERT_TRUE(mailboxes && aliases);
  ASSERT_TRUE((*mailboxes)->set("carol@home.test", "ok"));
  // Edited by somebody else in the middle of it.
  ASSERT_TRUE((*aliases)->set("info@home.test", "carol@home.test"));
  files.write("aliases", "info@home.test bob@home.test, alice@home.test\n");
  EXPECT_FALSE(stores.commit());
  EXPECT_EQ(text_of("mailboxes"), "# ours\nalice@home.test ok\nbob@home.test ok\n");
  EXPECT_EQ(text_of("aliases"), "info@home.test bob@home.test, alice@home.test\n");
}

TEST_F(TableStoreTest, EveryEntryTellsWhereItStands) {
  files.write("more", "late@home.test bob@home.test\n");
  files.write("patterns", "/^x/ bob@home.test\n");
  files.config().maps.aliases = {"aliases", "more", "regexp:patterns"};
  Stores stores(files.config());
  const auto all = stores.open_all(Question::aliases);
  ASSERT_TRUE(all);
  std::vector<std::string> places;
  for (const auto& store : *all)
    for (const Placed& row : store->list_places().value()) places.push_back(row.place);
  EXPECT_EQ(places,
            (std::vector<std::string>{files.path("aliases") + ":1", files.path("more") + ":1"}));
  EXPECT_EQ(stores.pattern_files(Question::aliases), std::vector<Path>{files.path("patterns")});
}

TEST_F(TableStoreTest, AllCanBeReplaced) {
  Stores stores(files.config());
  const auto aliases = stores.open(Question::aliases);
  ASSERT_TRUE(aliases);
  const std::vector<KeyValue> rows = {{"a@home.test", "alice@home.test"},
                                      {"b@home.test", "alice@home.test, bob@home.test"}};
  ASSERT_TRUE((*aliases)->replace_all(rows));
  ASSERT_TRUE(stores.commit());
  Stores again(files.config());
  auto listed = again.open(Question::aliases).value()->list().value();
  std::ranges::sort(listed);
  EXPECT_EQ(listed, rows);
}

TEST_F(TableStoreTest, AValueThatTheFormCannotHoldIsRefused) {
  Stores stores(files.config());
  const auto aliases = stores.open(Question::aliases);
  ASSERT_TRUE(aliases);
  EXPECT_FALSE((*aliases)->set("x@home.test", "alice@home.test\nroot@home.test eve@evil.test"));
  EXPECT_FALSE((*aliases)->set("two words@home.test", "alice@home.test"));
}

}  // namespace
}  // namespace posthorn::tools
