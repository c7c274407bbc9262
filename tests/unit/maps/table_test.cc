// Proves that tables are read as Postfix reads them: comments, continuations, duplicates, any line
// ends, odd and hostile files, each fault with file and line; pattern tables with their flags,
// negation, if and substitution; and that no pattern can hold the server for long.
#include <gtest/gtest.h>

#include "maps/regexp_table.h"
#include "maps/table_set.h"
#include "tests/support/cpu_time.h"
#include "tests/support/test_loop.h"

namespace posthorn::maps {
namespace {

using namespace std::string_literals;

std::string show(const TextFile& file) {
  std::string out;
  for (const Entry& entry : file.entries)
    out += entry.key + "=" + entry.value + "@" + std::to_string(entry.line) + "|";
  for (const config::Finding& fault : file.faults) out += "fault " + fault.where + "|";
  for (const config::Finding& warning : file.warnings) out += "warning " + warning.where + "|";
  return out;
}

TEST(TextFile, Rows) {
  const struct {
    std::string text, expected;
  } rows[] = {
      {"", ""},
      {"\n\n  \n\t\n", ""},
      {"# only a comment", ""},
      {"   # an indented comment\n", ""},
      {"a b\n", "a=b@1|"},
      {"a b", "a=b@1|"},  // no final newline
      {"a\tb\n", "a=b@1|"},
      {"a   b c  \n", "a=b c@1|"},
      {"A@X.Test  Bob@Y.Test\n", "a@x.test=Bob@Y.Test@1|"},
      {"a b\n c\n\td\n", "a=b c d@1|"},
      {"a b\n\n# between\n c\ne f\n", "a=b c@1|e=f@5|"},
      {"a\n  b\n", "a=b@1|"},  // the value on the next line
      {"a b,\n  c,\n  d\n", "a=b, c, d@1|"},
      {"a b\r\n c\r\nd e\r\n", "a=b c@1|d=e@3|"},
      {"\xEF\xBB\xBF"
       "a b\n",
       "a=b@1|"},
      {"\xEF\xBB\xBF# c\na b\n", "a=b@2|"},
      {"  a b\n", "a=b@1|"},        // nothing to continue
      {"a b # c\n", "a=b # c@1|"},  // no comment behind a value
      {"a\n", "fault maps/t:1|"},
      {"a b\nc\nd e\n", "a=b@1|d=e@3|fault maps/t:2|"},
      {"a b\nA c\n", "a=b@1|warning maps/t:2|"},
      {"a b\n\nc d\na e\na f\n", "a=b@1|c=d@3|warning maps/t:4|warning maps/t:5|"},
      {"a b\0c\n"s, "fault maps/t:1|"},
      {"a\0 b\nc d\n"s, "c=d@2|fault maps/t:1|"},
      {"a b\rc d\r"s, "fault maps/t:1|"},  // line ends of another age
      {"a \x1b[31mb\n", "fault maps/t:1|"},
      {"\x7f"
       "ELF x\n",
       "fault maps/t:1|"},
      {"andr\xc3\xa9@x b@y\n", "andr\xc3\xa9@x=b@y@1|"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(show(parse_text(row.text, "maps/t")), row.expected) << row.text;
  EXPECT_NE(parse_text("a b\na c\n", "t").warnings.front().text().find("t:2: a stands on line 1"),
            std::string::npos);
}

TEST(TextFile, LargeLinesAndManyOfThem) {
  const std::string line = "list@x " + std::string(1U << 20U, 'v');
  const TextFile one = parse_text(line, "t");
  ASSERT_EQ(one.entries.size(), 1U);
  EXPECT_EQ(one.entries.front().value.size(), 1U << 20U);
  const TextFile keyless = parse_text(std::string(1U << 20U, 'k'), "t");
  ASSERT_EQ(keyless.faults.size(), 1U);
  EXPECT_LT(keyless.faults.front().reason.size(), 200U);  // a log line, not a megabyte
  std::string many, continued = "k v\n";
  for (int i = 0; i < 20'000; ++i) {
    many += "k" + std::to_string(i) + " v\n";
    continued += " w\n";
  }
  EXPECT_EQ(parse_text(many, "t").entries.size(), 20'000U);
  EXPECT_EQ(parse_text(continued, "t").entries.front().value.size(), 1 + 2 * 20'000U);
}

struct TableTest : testing::Test {
  std::string ask(const Table& table, const std::string& key) {
    const auto found = loop.run(table.find(key));
    EXPECT_TRUE(found);
    return found.value_or(Found{}).value.value_or("-");
  }
  test::TestLoop loop;
};

TEST_F(TableTest, TextAndStatic) {
  TextTable text(parse_text("a@x b\n@x c\n", "t").entries, "t");
  EXPECT_EQ(ask(text, "a@x"), "b");
  EXPECT_EQ(ask(text, "@x"), "c");
  for (const std::string& key : {""s, "A@X"s, "a@x "s, "b"s, "a@x\0"s, std::string(100'000, 'a')})
    EXPECT_EQ(ask(text, key), "-") << key.substr(0, 20);
  EXPECT_EQ(ask(StaticTable("v"), "anything"), "v");
  EXPECT_EQ(ask(StaticTable(""), ""), "");
}

// As the operator finds it: with the number of the line that an editor shows.
TEST_F(TableTest, WhatIsFoundKnowsItsPlace) {
  const auto place = [&](const Table& table, const std::string& key) {
    const auto found = loop.run(table.find(key));
    return found ? found->place.text() : "cannot be asked";
  };
  const std::string path = "maps/aliases";
  TextTable text(parse_text("# of us\n\na@x b,\n  c\nA@X again\nb@x d\n", path).entries, path);
  EXPECT_EQ(place(text, "a@x"), "maps/aliases:3");
  EXPECT_EQ(place(text, "b@x"), "maps/aliases:6");
  EXPECT_EQ(place(text, "c@x"), "");
  EXPECT_EQ(loop.run(text.find_first())->place.text(), "maps/aliases:3");
  const auto patterns = RegexpTable::parse("if /@x$/\n/^a/ b\nendif\n\n/^(.*)@y/ $1@x\n", "maps/p");
  ASSERT_TRUE(patterns);
  EXPECT_EQ(place(**patterns, "a@x"), "maps/p:2");
  EXPECT_EQ(place(**patterns, "b@y"), "maps/p:5");
  EXPECT_EQ(place(**patterns, "b@x"), "");
  EXPECT_EQ(place(StaticTable("v"), "any"), "static:v");
  const PgsqlTable rows(nullptr, Question::sender_relays);
  EXPECT_EQ((Place{&rows, 12}.text()), "pgsql sender_relays row id=12");
  EXPECT_EQ(rows.name(), "pgsql sender_relays");
}

TEST_F(TableTest, Regexp) {
  const struct {
    std::string table, key, expected;
  } rows[] = {
      {"/^a@x$/ b", "a@x", "b"},
      {"/^a@x$/ b", "aa@x", "-"},
      {"/^A@X$/ b", "a@x", "b"},   // case does not count
      {"/^A@X$/i b", "a@x", "-"},  // unless the flag turns it on
      {"/x/ one\n/a/ two", "a@x", "one"},
      {"/^(.*)@(x|y)$/ $1@$2.test", "bob@y", "bob@y.test"},
      {"/^(.*)@x$/ ${1}2@$(1)", "bob@x", "bob2@bob"},
      {"/^a/ costs $$5", "a", "costs $5"},
      {"/^(a)|(b)$/ [$1$2]", "b", "[b]"},
      {"!/^a@/ other", "b@x", "other"},
      {"!/^a@/ other", "a@x", "-"},
      {"/a b/ v", "a b", "v"},  // a space inside
      {"|^a/b$| v", "a/b", "v"},
      {"/^a\\/b$/ v", "a/b", "v"},
      {"# c\n\n/a/ v\n  w\n", "a", "v w"},
      {"if /@x$/\n/^a/ in\nendif\n/^a/ out", "a@x", "in"},
      {"if /@x$/\n/^a/ in\nendif\n/^a/ out", "a@y", "out"},
      {"if /@x$/\n/^a/ in\nendif\n/^b/ out", "b@x", "out"},
      {"if !/@x$/\n/^a/ in\nendif", "a@y", "in"},
      {"if /1/\nif /2/\n/./ both\nendif\n/./ one\nendif\n/./ none", "12", "both"},
      {"if /1/\nif /2/\n/./ both\nendif\n/./ one\nendif\n/./ none", "1", "one"},
      {"if /1/\nif /2/\n/./ both\nendif\n/./ one\nendif\n/./ none", "2", "none"},
      {"IF /1/\n/./ v\nENDIF", "1", "v"},
      {"", "a", "-"},
  };
  for (const auto& row : rows) {
    const auto table = RegexpTable::parse(row.table, "t");
    ASSERT_TRUE(table) << row.table << ": " << table.error().what;
    EXPECT_EQ(ask(**table, row.key), row.expected) << row.table << " asked " << row.key;
  }
}

TEST(Regexp, FaultsSayWhere) {
  const struct {
    std::string table, where;
  } rows[] = {
      {"/a", "t:1: "},
      {"/a/", "t:1: "},
      {"a", "t:1: "},
      {"!", "t:1: "},
      {"/a/q v", "t:1: "},
      {"/(/ v", "t:1: "},
      {"/[/ v", "t:1: "},
      {"/a/ v\n\n# c\n/b/q v", "t:4: "},
      {"/a/ $1", "t:1: "},
      {"/(a)/ $2", "t:1: "},
      {"/(a)/ $0", "t:1: "},
      {"/(a)/ ${1", "t:1: "},
      {"/(a)/ $", "t:1: "},
      {"!/(a)/ $1", "t:1: "},
      {"if /a/\n/b/ v", "t:1: "},
      {"/b/ v\nendif", "t:2: "},
      {"if\n/b/ v\nendif", "t:1: "},
      {"/a\x01/ v", "t:1: "},
      {"/a/ v\0"s, "t:1: "},
      {"/(a*)*\\1/ v", "t:1: "},
      {"/((a{1,255}){1,255}){1,255}/ v", "t:1: "},
      {"/(?=a)b/ v", "t:1: "},
      {"/\\<a/ v", "t:1: "},
      {"/[[=a=]]/ v", "t:1: "},
      {"/a/x v", "t:1: "},
      {"/\xff/ v", "t:1: "},
      {"/a{99999}/ v", "t:1: "},
  };
  for (const auto& row : rows) {
    const auto table = RegexpTable::parse(row.table, "t");
    ASSERT_FALSE(table) << row.table;
    EXPECT_EQ(table.error().kind, ErrorKind::config);
    EXPECT_TRUE(table.error().what.starts_with(row.where)) << table.error().what;
  }
}

// The matcher's words never stand alone: what is meant by them stands in front.
TEST(Regexp, FaultsSayWhatToDo) {
  const struct {
    const char *pattern, *meaning;
  } rows[] = {
      {"/^(a@/ v", "a ( is never closed"},
      {"/a@[/ v", "a [ is never closed"},
      {"/a)@/ v", "a ) too many"},
      {"/(?<=x)a/ v", "a *, + or ? with nothing"},
      {"/(a)\\1/ v", "cannot be asked for"},
      {"/a{5000}/ v", "a {} that is none"},
      {"/[z-a]/ v", "a range goes upwards"},
      {"/[[:foo:]]/ v", "a class or a range that is none"},
      {"/\xFC/ v", "save the file as UTF-8"},
  };
  for (const auto& row : rows) {
    const auto table = RegexpTable::parse(row.pattern, "t");
    ASSERT_FALSE(table) << row.pattern;
    EXPECT_NE(table.error().what.find(row.meaning), std::string::npos) << table.error().what;
    EXPECT_NE(table.error().what.find("(RE2 says: "), std::string::npos) << table.error().what;
  }
}

TEST_F(TableTest, NoPatternTakesForEver) {
  const std::string keys[] = {std::string(254, 'a'), std::string(253, 'a') + "b",
                              std::string(126, 'a') + "@" + std::string(127, 'a')};
  for (const std::string pattern :
       {"/^(a+)+$/ v", "/^(a*)*b$/ v", "/(a|aa)+$/ v", "/^(.*)*(.*)*(.*)*x$/ v",
        "/(.*)(.*)(.*)(.*)(.*)x/ v", "/^(([a-z])+.)+[A-Z]([a-z])+$/ v", "/(a?){90}a{90}x/ v",
        "/(\\ba?){90}/ v", "/^((((((a*)+)+)+)+)+)+/ v"}) {
    const auto table = RegexpTable::parse(pattern, "t");
    ASSERT_TRUE(table) << pattern << table.error().what;
    for (const std::string& key : keys) {
      EXPECT_LT(test::cpu_passes([&] { (void)ask(**table, key); }), test::kPassesMax) << pattern;
    }
  }
}

TEST_F(TableTest, PerlPatterns) {
  const struct {
    std::string table, key, expected;
  } rows[] = {
      {R"(/^(\w+?)\d*@x$/ $1)", "bob42@x", "bob"},
      {R"(/^(?:a|b)(\S+)@x$/ $1)", "bob@x", "ob"},
      {"/^A@X$/ v", "a@x", "v"},
      {"/^A@X$/i v", "a@x", "-"},
      {"/a|ab/ [v]", "ab", "[v]"},
      {"/^(a|ab)(c|bcd)?/ $1", "abcd", "a"},  // the first that fits, not the longest
  };
  for (const auto& row : rows) {
    const auto table = RegexpTable::parse(row.table, "t", RegexpTable::Syntax::perl);
    ASSERT_TRUE(table) << row.table << ": " << table.error().what;
    EXPECT_EQ(ask(**table, row.key), row.expected) << row.table << " asked " << row.key;
  }
}

TEST(TableName, Types) {
  for (const std::string type : {"text", "hash", "lmdb", "texthash", "btree", "cdb", "dbm"}) {
    const auto name = parse_table_name(type + ":aliases");
    ASSERT_TRUE(name) << type;
    EXPECT_EQ(name->type, "text");
    EXPECT_EQ(name->rest, "aliases");
  }
  EXPECT_EQ(parse_table_name("aliases")->type, "text");
  EXPECT_EQ(parse_table_name("/etc/postfix/virtual")->rest, "/etc/postfix/virtual");
  EXPECT_EQ(parse_table_name("regexp:r")->type, "regexp");
  EXPECT_EQ(parse_table_name("static:a:b")->rest, "a:b");
  for (const std::string wrong : {"ldap:x", "HASH:x", ":x", "proxy:hash:x", "memcache:"}) {
    ASSERT_FALSE(parse_table_name(wrong)) << wrong;
    EXPECT_EQ(parse_table_name(wrong).error().kind, ErrorKind::config);
  }
}

TEST(SplitList, Rows) {
  const struct {
    std::string text;
    std::vector<std::string> items;
  } rows[] = {
      {"", {}},
      {" ,, \t", {}},
      {"a@x", {"a@x"}},
      {"A@X, b@y c@z\td@w,", {"a@x", "b@y", "c@z", "d@w"}},
      {"\"a, b\"@x, c@y", {"\"a, b\"@x", "c@y"}},
      {"\"a\\\",b\"@x c@y", {"\"a\\\",b\"@x", "c@y"}},
      {"\"open, a@x", {"\"open, a@x"}},
  };
  for (const auto& row : rows) EXPECT_EQ(split_list(row.text), row.items) << row.text;
}

TEST(AddressKeys, Rows) {
  const struct {
    std::string address, full, untagged, domain, tag;
  } rows[] = {
      {"Bob@X.Test", "bob@x.test", "bob@x.test", "@x.test", ""},
      {"Bob+Work@X.Test", "bob+work@x.test", "bob@x.test", "@x.test", "Work"},
      {"bob+a+b@x", "bob+a+b@x", "bob@x", "@x", "a+b"},
      {"bob+@x", "bob+@x", "bob@x", "@x", ""},
      {"+bob@x", "+bob@x", "+bob@x", "@x", ""},
      {"bob@x+y", "bob@x+y", "bob@x+y", "@x+y", ""},
      {"\"a+b\"@x", "\"a+b\"@x", "\"a+b\"@x", "@x", ""},
      {"bob", "bob", "bob", "", ""},
      {"bob+t", "bob+t", "bob", "", "t"},
      {"", "", "", "", ""},
      {"@x", "@x", "@x", "@x", ""},
      {"a@b@c", "a@b@c", "a@b@c", "@c", ""},
  };
  for (const auto& row : rows) {
    const AddressKeys keys = keys_of(row.address, "+");
    EXPECT_EQ(keys.full, row.full);
    EXPECT_EQ(keys.untagged, row.untagged) << row.address;
    EXPECT_EQ(keys.domain, row.domain);
    EXPECT_EQ(keys.tag, row.tag) << row.address;
  }
  EXPECT_EQ(keys_of("bob-x@y", "+-").untagged, "bob@y");
  EXPECT_EQ(keys_of("bob+x@y", "").untagged, "bob+x@y");
}

}  // namespace
}  // namespace posthorn::maps
