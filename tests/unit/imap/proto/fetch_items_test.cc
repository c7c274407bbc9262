// What a FETCH asks for (RFC 3501 section 6.4.5).
#include "imap/proto/fetch_items.h"

#include <gtest/gtest.h>

namespace posthorn::imap {
namespace {

using Kind = Section::Kind;

std::optional<Items> parse(std::string_view text) {
  Parser parser(text);
  return parse_items(parser);
}

Section section(std::string_view text) {
  const auto items = parse(text);
  if (!items || items->sections.size() != 1) {
    ADD_FAILURE() << text << " is not one section";
    return {};
  }
  return items->sections.front();
}

TEST(FetchItems, OneOrAList) {
  const auto one = parse("FLAGS");
  ASSERT_TRUE(one);
  EXPECT_TRUE(one->flags);
  EXPECT_FALSE(one->uid || one->date || one->size || one->envelope || one->body || one->structure);
  const auto list = parse("( uid InternalDate RFC822.SIZE BODY BODYSTRUCTURE )");
  ASSERT_TRUE(list);
  EXPECT_TRUE(list->uid && list->date && list->size && list->body && list->structure);
  EXPECT_FALSE(list->flags || list->envelope);
  EXPECT_TRUE(list->sections.empty());
}

TEST(FetchItems, Macros) {
  const auto all = parse("ALL"), fast = parse("fast"), full = parse("FULL");
  ASSERT_TRUE(all && fast && full);
  for (const Items& items : {*all, *fast, *full})
    EXPECT_TRUE(items.flags && items.date && items.size && !items.structure && !items.uid);
  EXPECT_TRUE(all->envelope && !all->body);
  EXPECT_TRUE(!fast->envelope && !fast->body);
  EXPECT_TRUE(full->envelope && full->body);
}

// The RFC822 items are answered under their own names, and RFC822.HEADER does not mark as read.
TEST(FetchItems, OldNames) {
  const Section all = section("RFC822"), header = section("RFC822.HEADER"),
                text = section("RFC822.TEXT");
  EXPECT_TRUE(all.kind == Kind::all && !all.peek && all.label == "RFC822");
  EXPECT_TRUE(header.kind == Kind::header && header.peek && header.label == "RFC822.HEADER");
  EXPECT_TRUE(text.kind == Kind::text && !text.peek && text.label == "RFC822.TEXT");
}

TEST(FetchItems, Sections) {
  using Path = std::vector<std::uint32_t>;
  struct Row {
    std::string_view text;
    Kind kind;
    Path path;
    std::string_view label;
  };
  const Row rows[] = {
      {"BODY[]", Kind::all, {}, "BODY[]"},
      {"body[text]", Kind::text, {}, "BODY[TEXT]"},
      {"BODY[HEADER]", Kind::header, {}, "BODY[HEADER]"},
      {"BODY[1]", Kind::all, {1}, "BODY[1]"},
      {"BODY[1.23.4]", Kind::all, {1, 23, 4}, "BODY[1.23.4]"},
      {"BODY[2.MIME]", Kind::mime, {2}, "BODY[2.MIME]"},
      {"BODY[2.HEADER]", Kind::header, {2}, "BODY[2.HEADER]"},
      {"BODY[3.1.TEXT]", Kind::text, {3, 1}, "BODY[3.1.TEXT]"},
      {"BODY[HEADER.FIELDS (To \"From\")]",
       Kind::header_fields,
       {},
       "BODY[HEADER.FIELDS (To From)]"},
      {"BODY[1.HEADER.FIELDS.NOT (X)]",
       Kind::header_fields_not,
       {1},
       "BODY[1.HEADER.FIELDS.NOT (X)]"},
  };
  for (const Row& row : rows) {
    const Section found = section(row.text);
    EXPECT_EQ(found.kind, row.kind) << row.text;
    EXPECT_EQ(found.path, row.path) << row.text;
    EXPECT_EQ(found.label, row.label) << row.text;
    EXPECT_FALSE(found.peek || found.partial) << row.text;
  }
  EXPECT_EQ(section("BODY[HEADER.FIELDS (To {4}\r\nFrom)]").fields,
            (std::vector<std::string>{"To", "From"}));
}

// The answer names where a range begins, not how long it was asked to be.
TEST(FetchItems, PeekAndRanges) {
  const Section range = section("BODY.PEEK[1]<10.20>");
  EXPECT_TRUE(range.peek);
  EXPECT_EQ(range.partial, (std::pair<std::uint64_t, std::uint64_t>{10, 20}));
  EXPECT_EQ(range.label, "BODY[1]<10>");
}

TEST(FetchItems, Faults) {
  for (const std::string_view wrong : {"",
                                       "()",
                                       "(",
                                       "(FLAGS",
                                       "FLAGS)",
                                       "FLAGS UID",
                                       "(FLAGS (UID))",
                                       "NOTHING",
                                       "BODY[",
                                       "BODY[]x",
                                       "BODY[0]",
                                       "BODY[1.0]",
                                       "BODY[1.]",
                                       "BODY[1..2]",
                                       "BODY[.1]",
                                       "BODY[100001]",
                                       "BODY[MIME]",
                                       "BODY[1 ]",
                                       "BODY[HEADER.FIELDS]",
                                       "BODY[HEADER.FIELDS ()]",
                                       "BODY[HEADER.FIELDS (A]",
                                       "BODY[]<1>",
                                       "BODY[]<1.0>",
                                       "BODY[]<.5>",
                                       "BODY[]<0.5",
                                       "BODY[]<0.99999999999999999999>"})
    EXPECT_FALSE(parse(wrong)) << wrong;
}

TEST(FetchItems, Bounds) {
  std::string deep = "BODY[1", many = "BODY[HEADER.FIELDS (a";
  for (int i = 1; i < kNestingMax; ++i) deep += ".1";
  for (int i = 1; i < 1000; ++i) many += " a";
  EXPECT_TRUE(parse(deep + "]"));
  EXPECT_FALSE(parse(deep + ".1]"));
  EXPECT_TRUE(parse(many + ")]"));
  EXPECT_FALSE(parse(many + " a)]"));
}

}  // namespace
}  // namespace posthorn::imap
