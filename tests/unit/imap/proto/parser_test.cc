#include "imap/proto/parser.h"

#include <gtest/gtest.h>

#include "imap/proto/response.h"
#include "message/address.h"
#include "message/mutf7.h"
#include "search/record.h"

namespace posthorn::imap {
namespace {

TEST(Parser, Strings) {
  EXPECT_EQ(Parser("\"a\\\"b\"").string(), "a\"b");
  EXPECT_EQ(Parser("{3}\r\nabc").astring(), "abc");
  EXPECT_EQ(Parser("{0}\r\n").astring(), "");
  EXPECT_EQ(Parser("{4}\r\nabc").astring(), std::nullopt);
  EXPECT_EQ(Parser("\"open").string(), std::nullopt);
  EXPECT_EQ(Parser("INBOX]").astring(), "INBOX]");
  EXPECT_EQ(find_literal_mark("a LOGIN {11+}")->synchronizing, false);
  EXPECT_EQ(find_literal_mark("a {99999999999999999999999}")->size, UINT64_MAX);
  EXPECT_FALSE(find_literal_mark("a {-1}"));
}

TEST(Parser, ALiteralIsAnnouncedByOneBrace) {
  for (const char* wrong :
       {"{x {3}\r\nabc", "{{3}\r\nabc", "{3} {3}\r\nabc", "{3\r\nabc", "{}\r\n"}) {
    Parser parser(wrong);
    EXPECT_FALSE(parser.string()) << wrong;
    EXPECT_EQ(parser.rest(), wrong);
  }
}

TEST(Parser, WhatGivesNothingStaysWhereItWas) {
  for (const char* wrong : {"(a b", "(a (", "a \\", "\\"}) {
    Parser parser(wrong);
    EXPECT_FALSE(parser.flags()) << wrong;
    EXPECT_EQ(parser.rest(), wrong);
  }
  Parser parser("(\\Seen x) next");
  EXPECT_EQ(parser.flags(), (std::vector<std::string>{"\\Seen", "x"}));
  EXPECT_EQ(parser.rest(), " next");
}

TEST(Parser, SequenceSets) {
  using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  EXPECT_EQ(Parser("1,3:5,4:6,*").sequence_set()->resolve(10), (Ranges{{1, 1}, {3, 6}, {10, 10}}));
  EXPECT_EQ(Parser("5:*").sequence_set()->resolve(3), (Ranges{{3, 5}}));
  EXPECT_EQ(Parser("1:*").sequence_set()->resolve(0), Ranges{});
  for (const char* wrong : {"0", "a", "1:", "4294967296", ""})
    EXPECT_FALSE(Parser(wrong).sequence_set()) << wrong;
}

TEST(Parser, Dates) {
  EXPECT_EQ(Parser("1-Jan-1970").date(), 0);
  EXPECT_FALSE(Parser("31-Feb-2020").date());
  EXPECT_EQ(format_internal_date(1'700'000'000), "\"14-Nov-2023 22:13:20 +0000\"");
}

// Each row as Dovecot 2.3 answers it: "" is a BAD, "-" a date that is none.
TEST(Parser, DateTimes) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"14-Nov-2023 22:13:20 +0000", "14-Nov-2023 22:13:20"},
      {"15-Nov-2023 00:13:20 +0200", "14-Nov-2023 22:13:20"},
      {"6-May-2022 07:08:09 +0000", " 6-May-2022 07:08:09"},
      {" 6-May-2022 07:08:09 +0000", " 6-May-2022 07:08:09"},
      {"06-MAY-2022 07:08:09 -1200", " 6-May-2022 19:08:09"},
      {"06-May-2022 23:59:60 +0000", " 6-May-2022 23:59:59"},
      {"06-May-2022 07:08:09 GMT", " 6-May-2022 07:08:09"},
      {"06-May-2022 07:08:09 ", " 6-May-2022 07:08:09"},
      {"06-May-2022 07:08:09 +000", " 6-May-2022 07:08:09"},
      {"06-May-2022 07:08:09 +00000", " 6-May-2022 07:08:09"},
      {"06-May-2022 07:08:09 +01a0", " 6-May-2022 07:08:09"},
      {"06-May-2022 07:08:09 +0060", " 6-May-2022 06:08:09"},
      {"06-May-2022 07:08:09 +2400", " 5-May-2022 07:08:09"},
      {"06-May-1969 07:08:09 +0000", " 6-May-1969 07:08:09"},
      {"31-Feb-2022 07:08:09 +0000", "-"},
      {"29-Feb-2021 07:08:09 +0000", "-"},
      {"0-May-2022 07:08:09 +0000", "-"},
      {"99-May-2022 07:08:09 +0000", "-"},
      {"06-May-2022 24:00:00 +0000", "-"},
      {"06-May-2022 23:60:00 +0000", "-"},
      {"06-May-2022 23:59:61 +0000", "-"},
      {"06-May-2022 07:08:09", ""},
      {"06-May-2022  07:08:09 +0000", ""},
      {"06-Mai-2022 07:08:09 +0000", ""},
      {"06-May-22 07:08:09 +0000", ""},
      {"06-May-2022 7:08:09 +0000", ""},
      {"  6-May-2022 07:08:09 +0000", ""},
      {"006-May-2022 07:08:09 +0000", ""},
      {"06-May-2022 07:08 +0000", ""},
      {"06-May-2022 0a:08:09 +0000", ""},
      {"06-May-2022 -1:08:09 +0000", ""},
      {"06 May 2022 07:08:09 +0000", ""},
      {"06-May-2022T07:08:09 +0000", ""},
      {"06-May-2022 07.08.09 +0000", ""},
      {" 1-Feb--999 00:00:00 +0000", ""},
      {"06-May-2022", ""},
      {" ", ""},
      {"", ""},
  };
  for (const auto& [text, wanted] : rows) {
    const std::string quoted = "\"" + std::string(text) + "\"";
    const auto found = Parser(quoted).date_time();
    std::string shown;
    if (found && found->seconds)
      shown = format_internal_date(*found->seconds).substr(1, 20);
    else if (found)
      shown = "-";
    EXPECT_EQ(shown, wanted) << text;
  }
}

TEST(Parser, NoYearIsNegative) {
  EXPECT_FALSE(Parser("1-Feb--999").date());
}

// Blanks more than the grammar has, where Dovecot takes them; none where an item must be.
TEST(Parser, Blanks) {
  Parser list("( a  b ) ");
  EXPECT_TRUE(list.take_open() && list.atom() && list.take_next() && list.atom());
  EXPECT_FALSE(list.take_next());
  EXPECT_FALSE(list.at_end());
  EXPECT_TRUE(list.take_close() && list.at_end());
  Parser open("a  ");
  EXPECT_TRUE(open.atom() && !open.take_next() && open.at_end() && open.take_space());
  EXPECT_EQ(Parser("( \\Seen  x )").flags(), (std::vector<std::string>{"\\Seen", "x"}));
  EXPECT_EQ(Parser("( )").flags(), std::vector<std::string>());
  EXPECT_FALSE(Parser("(\\Seen").flags());
}

TEST(Parser, Id) {
  for (const std::string_view good : {"", " ", " NIL", " nil ", " ()", " (\"a\" \"b\")",
                                      " ( a NIL )", " (\"a\")", " ({1+}\r\na {2}\r\nbc)"})
    EXPECT_TRUE([&] {
      Parser p(good);
      return take_id(p);
    }()) << good;
  for (const std::string_view wrong : {"x", " x", " NIL x", " (a", " (a) b", " a)", " ((a))"})
    EXPECT_FALSE([&] {
      Parser p(wrong);
      return take_id(p);
    }()) << wrong;
}

TEST(ListMatches, IsLinear) {
  EXPECT_TRUE(list_matches("*", "a.b", '.'));
  EXPECT_FALSE(list_matches("%", "a.b", '.'));
  EXPECT_TRUE(list_matches("%.b", "a.b", '.'));
  EXPECT_TRUE(list_matches("a%", "abc", '.'));
  EXPECT_TRUE(list_matches("a*c", "a.b.c", '.'));
  EXPECT_FALSE(list_matches("", "a", '.'));
  std::string hostile;
  for (int i = 0; i < 200; ++i) hostile += "*%";
  EXPECT_FALSE(list_matches(hostile + "x", std::string(200, 'a'), '.'));
}

std::string structure(std::string_view text) {
  std::string out;
  const std::string record = search::make_record(text);
  append_structure(out, *search::read_record(record)->structure, Extended::no);
  return out;
}

TEST(Structure, GoldenRows) {
  EXPECT_EQ(structure("Subject: x\r\n\r\nhi\r\n"),
            "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1)");
  EXPECT_EQ(
      structure(
          "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: "
          "text/html\r\n\r\ntwo\r\n--b--\r\n"),
      "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 0)(\"TEXT\" \"HTML\" NIL "
      "NIL NIL \"7BIT\" 3 0) "
      "\"MIXED\")");
  EXPECT_EQ(structure("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n"),
            "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 18 (NIL \"in\" NIL NIL NIL NIL NIL NIL "
            "NIL NIL) (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 1) 3)");
  EXPECT_EQ(structure("Content-Type: multipart/mixed\r\n\r\nno boundary\r\n"),
            "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 13 1)");
}

TEST(Envelope, TenThousandFieldsOfANameAreBoundedTogether) {
  std::string block;
  for (int i = 0; i < 1'000; ++i) {
    block += "To: ";
    for (int j = 0; j < 500; ++j) block += "a,";
    block += "\r\n";
  }
  std::string out;
  const std::string record = search::make_header_record(block);
  append_envelope(out, *search::read_record(record)->header);
  EXPECT_LT(out.size(),
            2 * message::kAddressesMax * std::string_view("(NIL NIL \"a\" \"\")").size());
}

TEST(Envelope, Addresses) {
  std::string out;
  const std::string record = search::make_header_record(
      "From: \"A, B\" <a@x.test>, c@y.test (See)\r\nTo: Group: "
      "d@z.test;, undisclosed:;\r\nSubject: s\r\n");
  append_envelope(out, *search::read_record(record)->header);
  EXPECT_EQ(out,
            "(NIL \"s\" ((\"A, B\" NIL \"a\" \"x.test\")(\"See\" NIL \"c\" \"y.test\")) ((\"A, B\" "
            "NIL \"a\" \"x.test\")(\"See\" NIL \"c\" \"y.test\")) "
            "((\"A, B\" NIL \"a\" \"x.test\")(\"See\" NIL \"c\" \"y.test\")) ((NIL NIL \"Group\" "
            "NIL)(NIL NIL \"d\" \"z.test\")(NIL NIL NIL NIL)(NIL NIL \"undisclosed\" NIL)(NIL NIL "
            "NIL NIL)) "
            "NIL NIL NIL NIL)");
}

}  // namespace
}  // namespace posthorn::imap
