// Proves that a message's header is found however it comes: LF or CRLF, in pieces of any size, with
// a first mbox line, without an end; that folding is undone; and that ten thousand fields or one of
// ten megabytes stay within their bounds.
#include "message/headers.h"

#include <gtest/gtest.h>

#include "tests/support/cpu_time.h"

namespace posthorn::message {
namespace {

using namespace std::string_literals;

TEST(Headers, FieldsAndFolding) {
  const std::string block =
      "Subject: one\r\n two\r\n\tthree\r\n"
      "X-Empty:\r\n"
      "x-space : late colon\r\n"
      "TO:a@b\n"
      "To:  c@d  \r\n"
      "no field\r\n"
      ": no name\r\n"
      "X-CR: a\rb\r\n"
      "X-Last: no end";
  const Headers headers(block);
  EXPECT_EQ(headers.find("subject"), "one two\tthree");
  EXPECT_EQ(headers.find("X-EMPTY"), "");
  EXPECT_EQ(headers.find("X-Space"), "late colon");
  EXPECT_EQ(headers.find_all("to"), (std::vector<std::string>{"a@b", "c@d"}));
  EXPECT_EQ(headers.count("To"), 2U);
  EXPECT_EQ(headers.find("X-CR"), "ab");  // a bare CR ends no line
  EXPECT_EQ(headers.find("X-Last"), "no end");
  EXPECT_EQ(headers.find("no"), std::nullopt);
  EXPECT_FALSE(headers.has(""));
  EXPECT_EQ(headers.find_field("Subject")->raw, "Subject: one\r\n two\r\n\tthree\r\n");
  EXPECT_EQ(headers.find_field("Subject")->value, " one\r\n two\r\n\tthree");
  EXPECT_EQ(headers.fields().size(), 7U);
}

TEST(Headers, NamesThatAreNone) {
  for (const std::string line : {"a b: c\r\n", "\x01: c\r\n", "\x7f: c\r\n", "\xc3\xa9: c\r\n",
                                 ":\r\n", "From a@b Mon\r\n", "\r\n", "\n", " : x\r\n"})
    EXPECT_TRUE(Headers(line).fields().empty()) << line;
  EXPECT_TRUE(Headers(std::string(999, 'a') + ": x\r\n").fields().empty());
  EXPECT_EQ(Headers(std::string(998, 'a') + ": x\r\n").fields().size(), 1U);
  EXPECT_TRUE(Headers("a\0b: c\r\n"s).fields().empty());
}

struct EndRow {
  std::string text;
  std::size_t header_size, body_begin;
};

TEST(Headers, WhereTheBodyBegins) {
  const EndRow rows[] = {
      {"", 0, 0},
      {"\r\nbody", 0, 2},
      {"\nbody", 0, 1},
      {"A: b\r\n\r\nbody", 6, 8},
      {"A: b\n\nbody", 5, 6},
      {"A: b\r\nbody without an empty line\r\n", 34, 34},
      {"A: b\r\n c\r\n\r\nx", 10, 12},
      {"A: b\r\n \r\n\r\nx", 9, 11},  // a folded line of white space alone
      {" leading space\r\nA: b\r\n\r\n", 22, 24},
      {"From a@b Mon Jan\nA: b\n\nx", 22, 23},
      {">From a@b Mon Jan\nA: b\n\nx", 23, 24},
      {"A: b\nFrom a@b Mon\n\nx", 18, 19},
      {"A: b\nword\n\xc3\xa9: c\nD: e\n\nx", 21, 22},
      {"A: b", 4, 4},
      {"A: b\r\n", 6, 6},
      {"just text", 9, 9},
      {"just text\n\nmore", 10, 11},
      {"A: b\r\r\n\r\nx", 7, 9},
  };
  for (const EndRow& row : rows) {
    const auto end = find_header_end(row.text, Input::whole);
    ASSERT_TRUE(end) << row.text;
    EXPECT_EQ(end->header_size, row.header_size) << row.text;
    EXPECT_EQ(end->body_begin, row.body_begin) << row.text;
    // In pieces of every size the collector comes to the same block.
    for (std::size_t size = 1; size <= row.text.size(); ++size) {
      HeaderCollector collector;
      for (std::size_t at = 0; at < row.text.size(); at += size)
        if (collector.feed(std::string_view(row.text).substr(at, size))) break;
      collector.finish();
      EXPECT_EQ(collector.block(), row.text.substr(0, row.header_size))
          << row.text << " by " << size;
      EXPECT_TRUE(collector.is_whole());
    }
  }
  EXPECT_FALSE(find_header_end("A: b\r\nB", Input::beginning));
  EXPECT_FALSE(find_header_end("A: b\r\n", Input::beginning));
}

TEST(Headers, ManyAndLarge) {
  std::string block;
  for (int i = 0; i < 20'000; ++i) block += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_EQ(Headers(block).fields().size(), kFieldsMax);

  const std::string large = "Subject: " + std::string(kHeaderMax - 100, 'x') + "\r\n\r\nbody";
  EXPECT_EQ(Headers(large).find("subject")->size(), kHeaderMax - 100);
  EXPECT_EQ(find_header_end(large, Input::whole)->body_begin, large.size() - 4);

  // Over the bound: what is beyond counts as body, and no more is kept.
  const std::string huge = "A: b\r\nSubject: " + std::string(kHeaderMax * 2, 'x') + "\r\n\r\n";
  EXPECT_EQ(find_header_end(huge, Input::whole)->body_begin, 6U);
  HeaderCollector collector;
  for (std::size_t at = 0; at < huge.size(); at += 65'536)
    if (collector.feed(std::string_view(huge).substr(at, 65'536))) break;
  collector.finish();
  EXPECT_EQ(collector.block(), "A: b\r\n");
}

// A header of ten megabytes in lines or in one comes in small pieces: each byte is looked at a few
// times, not once for every piece.
TEST(Headers, CollectingIsLinear) {
  std::string lines;
  while (lines.size() < (4U << 20U)) lines += "X-A: 0123456789\r\n";
  const std::string one = "X-A: " + std::string(4U << 20U, 'x') + "\r\n";
  for (const std::string& block : {lines, one}) {
    HeaderCollector collector;
    const auto passes = test::cpu_passes([&] {
      for (std::size_t at = 0; at < block.size(); at += 512)
        ASSERT_FALSE(collector.feed(std::string_view(block).substr(at, 512)));
      ASSERT_TRUE(collector.feed("\r\n"));
    });
    EXPECT_LT(passes, test::kPassesMax);
    EXPECT_EQ(collector.block(), block);
  }
}

// What is no field stays where fields are taken out.
TEST(Headers, Without) {
  const std::string block =
      "From x\n A: 0\nA: 1\nword\n folded\nB: 2\n\xc3\xa9: c\na: 3\n 4\n: d\n\n";
  const Headers headers(block);
  const auto without = [&](std::string_view name) {
    return headers.without([&](const Field& f) { return equals_ignoring_case(f.name, name); });
  };
  EXPECT_EQ(without("A"), "From x\n A: 0\nword\n folded\nB: 2\n\xc3\xa9: c\n: d\n\n");
  EXPECT_EQ(without("B"), "From x\n A: 0\nA: 1\nword\n folded\n\xc3\xa9: c\na: 3\n 4\n: d\n\n");
  EXPECT_EQ(without("C"), block);
  EXPECT_EQ(Headers("").without([](const Field&) { return true; }), "");
  EXPECT_EQ(Headers("A: b").without([](const Field&) { return true; }), "");
  EXPECT_EQ(Headers("word").without([](const Field&) { return true; }), "word");
}

TEST(Headers, Unfold) {
  EXPECT_EQ(unfold(" a\r\n b "), "a b");
  EXPECT_EQ(unfold("\r\n \r\n"), "");
  EXPECT_EQ(unfold(""), "");
  EXPECT_TRUE(equals_ignoring_case("AbC", "aBc"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("@", "`"));
}

}  // namespace
}  // namespace posthorn::message
