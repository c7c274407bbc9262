// A server's replies as the client reads them: bounded, of one code, without what could move a
// terminal's cursor or end a line of a report.
#include "smtp/proto/reply.h"

#include <gtest/gtest.h>

namespace posthorn::smtp {
namespace {

// The reply that the lines make; a code of 0 where they make none.
Reply read(std::initializer_list<std::string_view> lines) {
  ReplyParser parser;
  for (const std::string_view line : lines) {
    auto reply = parser.feed(line);
    if (!reply) return {};
    if (*reply) return **std::move(reply);
  }
  return {};
}

TEST(ReplyParser, Rows) {
  EXPECT_EQ(read({"250 2.1.0 ok"}), (Reply{250, "2.1.0", "ok"}));
  EXPECT_EQ(read({"250-2.1.0 a", "250 2.1.0 b"}), (Reply{250, "2.1.0", "a\nb"}));
  EXPECT_EQ(read({"354"}), (Reply{354, "", ""}));
  EXPECT_EQ(read({"550 5.1.1"}), (Reply{550, "5.1.1", ""}));
  EXPECT_EQ(read({"550 5.7.509 no"}), (Reply{550, "5.7.509", "no"}));
  for (const char* wrong :
       {"", "25", "2500 x", "150 x", "650 x", "abc x", "250_x", "HTTP/1.1 200 OK"})
    EXPECT_EQ(read({wrong}).code, 0) << wrong;
}

TEST(ReplyParser, WhatOnlyLooksLikeAnEnhancedCodeIsText) {
  for (const char* text : {"5.1", "5.1.", "5..1.1", "55.1.", "5.1.1.1", "5.1234.1", "5.1.1234",
                           "5.1.1x", "4.1.1", "5.a.1"})
    EXPECT_EQ(read({std::string("550 ") + text}), (Reply{550, "", text})) << text;
}

TEST(ReplyParser, TheLastLinesCodeCountsAndTheEnhancedOneFitsIt) {
  EXPECT_EQ(read({"250-2.1.0 a", "550 b"}), (Reply{550, "", "a\nb"}));
  EXPECT_EQ(read({"250-2.1.0 a", "251 b"}), (Reply{251, "2.1.0", "a\nb"}));
}

TEST(ReplyParser, NoControlCharacterComesThrough) {
  constexpr char kLine[] = "550 a\0b\x1B[2J\tc\rd\x7F";
  EXPECT_EQ(read({std::string_view(kLine, sizeof kLine - 1)}).text, "a?b?[2J?c?d?");
  EXPECT_EQ(format_reply({250, "", "a\x1B"}), "250 a?\r\n");
}

// RFC 6531 section 3.7.4.
TEST(ReplyParser, TextInUtf8StaysAndIsCutBetweenCharacters) {
  EXPECT_EQ(read({"550-5.7.1 Grüße", "550 5.7.1 \xFF\xC2\x85 €"}).text, "Grüße\n?? €");
  std::string many = "550 x";
  for (int i = 0; i < 1000; ++i) many += "€";
  EXPECT_EQ(read({many}).text.size(), 1024U);
  EXPECT_EQ(read({many + "y"}).text.size(), 1024U);
  EXPECT_EQ(read({"550 " + many.substr(5)}).text.size(), 1023U);
}

TEST(ReplyParser, IsBounded) {
  ReplyParser parser;
  const std::string line = "250-" + std::string(500, 'x');
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(parser.feed(line)) << i;
  EXPECT_FALSE(parser.feed(line));
  EXPECT_EQ(read({line, line, line, "250 end"}).text.size(), 1024U);
}

}  // namespace
}  // namespace posthorn::smtp
