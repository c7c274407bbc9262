// Proves that a command changes all its text files or none: what would have a fault, what somebody
// else edits meanwhile and what cannot be written leaves every file as it was and nothing beside it.
#include "tools/table_edits.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/tables.h"

namespace posthorn::tools {
namespace {

struct TableEditsTest : testing::Test {
  TableEditsTest() {
    files.write("domains", "home.test ok\n");
    files.write("mailboxes", "alice@home.test ok\n");
    files.write("aliases", "info@home.test alice@home.test\n");
    files.config().paths.users = files.path("users");
    files.write("users", "alice@home.test:{PLAIN}secret\n");
  }
  void edit(TableEdits& edits, const std::string& name, std::string text) const {
    EditedText& file = edits.file(files.path(name));
    ASSERT_TRUE(file.text());
    edits.change(file, std::move(text));
  }
  std::string text_of(const std::string& name) const { return test::read_text(files.path(name)); }
  std::vector<std::string> names() const {
    return test::names_in(Path(files.path("aliases")).parent_path());
  }

  test::TableFiles files;
};

TEST_F(TableEditsTest, NothingIsWrittenBeforeWriteAndThenAll) {
  TableEdits edits(files.config());
  const auto before = names();
  edit(edits, "mailboxes", "alice@home.test ok\nbob@home.test ok\n");
  edit(edits, "aliases", "info@home.test bob@home.test\n");
  EXPECT_EQ(text_of("aliases"), "info@home.test alice@home.test\n");
  ASSERT_TRUE(edits.check());
  EXPECT_EQ(text_of("aliases"), "info@home.test alice@home.test\n");
  ASSERT_TRUE(edits.write());
  EXPECT_EQ(text_of("mailboxes"), "alice@home.test ok\nbob@home.test ok\n");
  EXPECT_EQ(text_of("aliases"), "info@home.test bob@home.test\n");
  EXPECT_EQ(names(), before);
}

TEST_F(TableEditsTest, AFaultThatItWouldMakeIsRefusedOneThatIsThereIsNot) {
  {
    TableEdits edits(files.config());
    edit(edits, "aliases", "info@home.test\n");
    const auto checked = edits.check();
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().what.find("aliases"), std::string::npos) << checked.error().what;
  }
  // An old fault, on another line than before, keeps nobody from his work.
  files.write("aliases", "broken@home.test\ninfo@home.test alice@home.test\n");
  TableEdits edits(files.config());
  edit(edits, "aliases", "# new\nbroken@home.test\ninfo@home.test alice@home.test\n");
  const auto checked = edits.check();
  EXPECT_TRUE(checked) << checked.error().what;
}

TEST_F(TableEditsTest, ALoginThatWouldStandTwiceIsRefused) {
  TableEdits edits(files.config());
  edit(edits, "users", "alice@home.test:{PLAIN}one\nalice@home.test:{PLAIN}two\n");
  EXPECT_FALSE(edits.check());
}

TEST_F(TableEditsTest, WhatSomebodyElseEditsMeanwhileLeavesAllAsItIs) {
  TableEdits edits(files.config());
  EditedText& aliases = edits.file(files.path("aliases"));
  EditedText& mailboxes = edits.file(files.path("mailboxes"));
  ASSERT_TRUE(aliases.text());
  ASSERT_TRUE(mailboxes.text());
  edits.change(mailboxes, "bob@home.test ok\n");
  edits.change(aliases, "info@home.test bob@home.test\n");
  files.write("aliases", "sales@home.test alice@home.test\n");
  const auto before = names();
  const auto written = edits.write();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::temporary);
  EXPECT_EQ(text_of("mailboxes"), "alice@home.test ok\n");
  EXPECT_EQ(text_of("aliases"), "sales@home.test alice@home.test\n");
  EXPECT_EQ(names(), before);
}

TEST_F(TableEditsTest, WhatCannotBePutInItsPlaceLeavesWholeFilesAndSaysWhichAreNew) {
  TableEdits edits(files.config());
  EditedText& mailboxes = edits.file(files.path("mailboxes"));
  EditedText& aliases = edits.file(files.path("aliases"));
  ASSERT_TRUE(mailboxes.text());
  ASSERT_TRUE(aliases.text());
  // In this order: the first is in its place, then there is a stop, as a crash would be.
  mailboxes.set("bob@home.test ok\n", 1);
  aliases.set("info@home.test bob@home.test\n", 2);
  ASSERT_TRUE(mailboxes.prepare());
  ASSERT_TRUE(aliases.prepare());
  ASSERT_TRUE(mailboxes.put_in_place());
  EXPECT_EQ(text_of("mailboxes"), "bob@home.test ok\n");
  EXPECT_EQ(text_of("aliases"), "info@home.test alice@home.test\n");
  // What the stop has left beside it is no hindrance to the next command.
  TableEdits next(files.config());
  edit(next, "aliases", "info@home.test bob@home.test\n");
  ASSERT_TRUE(next.write());
  EXPECT_EQ(text_of("aliases"), "info@home.test bob@home.test\n");
}

TEST_F(TableEditsTest, AFileKeepsItsModeAndALinkStaysALink) {
  const Path real = Path(files.path("real-aliases"));
  test::write_text(real, "info@home.test alice@home.test\n");
  ASSERT_EQ(::chmod(real.c_str(), 0604), 0);
  files.remove("aliases");
  std::filesystem::create_symlink(real, files.path("aliases"));
  TableEdits edits(files.config());
  EditedText& aliases = edits.file(files.path("aliases"));
  ASSERT_TRUE(aliases.text());
  edits.change(aliases, "sales@home.test alice@home.test\n");
  ASSERT_TRUE(edits.write());
  EXPECT_TRUE(std::filesystem::is_symlink(files.path("aliases")));
  EXPECT_EQ(test::read_text(real), "sales@home.test alice@home.test\n");
  EXPECT_EQ(std::filesystem::status(real).permissions(), std::filesystem::perms(0604));
}

TEST_F(TableEditsTest, AFileInAnotherEncodingIsNotTouched) {
  files.write("aliases", std::string("i\0n\0f\0o\0", 8));
  TableEdits edits(files.config());
  EXPECT_FALSE(edits.file(files.path("aliases")).text());
}

}  // namespace
}  // namespace posthorn::tools
