// Postfix's tables by their types: what can be read is, of the rest it is said why and what to do.
#include "takeover/postfix_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace posthorn::takeover {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using Kind = OldTable::Kind;

OldTable read(const std::string& text) {
  return read_table(parse_tables(text).at(0));
}

TEST(PostfixTables, NamesOfTables) {
  const auto specs = parse_tables(
      "hash:/a, proxy:pgsql:/b unionmap:{hash:/c, static:x} inline:{ a=b, {c = d e} } /plain");
  ASSERT_THAT(specs, SizeIs(6));
  EXPECT_EQ(specs[1].text(), "pgsql:/b");
  EXPECT_EQ(specs[2].text(), "hash:/c");
  EXPECT_EQ(specs[3].text(), "static:x");
  EXPECT_EQ(specs[5].text(), "/plain");
}

TEST(PostfixTables, TextsAndWhatIsInMemory) {
  const test::TempFolder folder;
  const std::string file = (folder.path() / "t").native();
  test::write_text(file, "# c\nA@x.test  b@x.test,\r\n  c@x.test\r\n\nd@x.test\te\n");
  for (const char* type : {"hash:", "btree:", "lmdb:", "cdb:", "texthash:", "proxy:hash:"}) {
    const OldTable table = read(type + file);
    ASSERT_EQ(table.kind, Kind::lines) << type << table.why;
    ASSERT_THAT(table.entries, SizeIs(2));
    EXPECT_EQ(table.entries[0].key, "a@x.test");
    EXPECT_EQ(table.entries[0].line, 2U);
  }
  const OldTable table = read("inline:{ a@x.test=b, { c@x.test = d e } }");
  ASSERT_THAT(table.entries, SizeIs(2));
  EXPECT_EQ(table.entries[1].key, "c@x.test");
  EXPECT_EQ(table.entries[1].value, "d e");
  EXPECT_EQ(read("static:one").value, "one");
  EXPECT_EQ(read("static:one").kind, Kind::one);
  EXPECT_EQ(read("regexp:" + file).kind, Kind::patterns);
  EXPECT_EQ(read("pgsql:" + file).kind, Kind::pgsql);
}

TEST(PostfixTables, WhatCannotBeReadSaysWhatToDo) {
  const test::TempFolder folder;
  const std::string at = folder.path().native() + "/";
  EXPECT_THAT(read("hash:" + at + "none").why, HasSubstr("there is no such file"));
  test::write_text(at + "bin.db", "x");
  EXPECT_THAT(read("hash:" + at + "bin").why, HasSubstr("postmap -s hash:" + at + "bin"));
  EXPECT_THAT(read("hash:" + folder.path().native()).why, HasSubstr("a folder"));
  std::filesystem::create_symlink("loop", at + "loop");
  EXPECT_EQ(read("hash:" + at + "loop").kind, Kind::unread);
  EXPECT_NE(read("hash:" + at + "loop").why, "");
  for (const char* type :
       {"mysql", "sqlite", "ldap", "memcache", "socketmap", "tcp", "nis", "pipemap", "randmap",
        "cidr", "unix", "fail", "environ", "nonsense", ""}) {
    const OldTable table = read(type[0] == '\0' ? at + "x" : std::string(type) + ":" + at + "x");
    EXPECT_EQ(table.kind, Kind::unread) << type;
    EXPECT_NE(table.why, "") << type;
  }
}

TEST(PostfixTables, LocalAliases) {
  const test::TempFolder folder;
  const std::string file = (folder.path() / "aliases").native();
  test::write_text(file, "# c\r\nRoot:\talice\r\n\"a b\" : x,\r\n\ty\r\nnonsense\r\n");
  const OldTable table = read_local_aliases(parse_tables("hash:" + file).at(0));
  ASSERT_THAT(table.entries, SizeIs(2));
  EXPECT_EQ(table.entries[0].key, "root");
  EXPECT_EQ(table.entries[0].value, "alice");
  EXPECT_EQ(table.entries[1].key, "a b");
  EXPECT_THAT(table.why, HasSubstr(":5: "));
}

}  // namespace
}  // namespace posthorn::takeover
