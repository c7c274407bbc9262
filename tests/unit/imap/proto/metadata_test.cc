// What GETMETADATA and SETMETADATA say (RFC 5464), and how values are told.
#include "imap/proto/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace posthorn::imap {
namespace {

using ::testing::ElementsAre;

std::optional<MetadataOptions> options_of(const char* text) {
  Parser parser(text);
  return take_metadata_options(parser);
}

TEST(Metadata, Options) {
  const auto both = options_of("(maxsize 1024 DEPTH infinity)");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->size_max, 1024U);
  EXPECT_EQ(both->depth, Depth::infinity);
  EXPECT_EQ(options_of("(DEPTH 1)")->depth, Depth::one);
  EXPECT_EQ(options_of("( DEPTH 0 )")->depth, Depth::none);
  EXPECT_FALSE(options_of("(DEPTH 0)")->size_max);
  for (const char* bad : {"", "DEPTH 1", "()", "(DEPTH)", "(DEPTH 2)", "(DEPTH x)", "(MAXSIZE)",
                          "(MAXSIZE -1)", "(FOO 1)", "(DEPTH 1", "(DEPTH 1 FOO)"})
    EXPECT_FALSE(options_of(bad)) << bad;
  // What is none is left where it is.
  Parser parser("(/shared/comment)");
  EXPECT_FALSE(take_metadata_options(parser));
  EXPECT_EQ(parser.rest(), "(/shared/comment)");
}

TEST(Metadata, Entries) {
  const auto entries_of = [](const char* text) {
    Parser parser(text);
    return parse_entries(parser).value_or(std::vector<std::string>{"(fault)"});
  };
  EXPECT_THAT(entries_of("/shared/a"), ElementsAre("/shared/a"));
  EXPECT_THAT(entries_of("(/shared/a \"/private/b c\" {2}\r\n/x)"),
              ElementsAre("/shared/a", "/private/b c", "/x"));
  EXPECT_THAT(entries_of("/a /b"), ElementsAre("/a", "/b"));
  for (const char* bad : {"", "()", "(/a", "/a)", "(/a) /b"})
    EXPECT_THAT(entries_of(bad), ElementsAre("(fault)")) << bad;
}

TEST(Metadata, Values) {
  using namespace std::string_view_literals;
  Parser whole("(/a \"x\" /b NIL /c {3}\r\n\r\n) /d ~{2}\r\n\0\1 /e nil)"sv);
  const auto values = parse_entry_values(whole);
  ASSERT_TRUE(values);
  ASSERT_EQ(values->size(), 5U);
  EXPECT_EQ((*values)[0].value, "x");
  EXPECT_EQ((*values)[1].value, std::nullopt);
  EXPECT_EQ((*values)[2].value, "\r\n)");
  EXPECT_EQ((*values)[3].value, std::string_view("\0\1", 2));
  EXPECT_EQ((*values)[4].value, std::nullopt);
  for (const char* bad : {"", "()", "(/a)", "(/a x)", "(/a \"x\"", "/a \"x\"", "(/a \"x\") y",
                          "(/a \"x\" /b)", "(/a ~\"x\")", "(/a NILX)"}) {
    Parser faulty(bad);
    EXPECT_FALSE(parse_entry_values(faulty)) << bad;
  }
}

TEST(Metadata, Depth) {
  EXPECT_TRUE(is_within("/a/b", "/a/b", Depth::none));
  EXPECT_FALSE(is_within("/a/b/c", "/a/b", Depth::none));
  EXPECT_TRUE(is_within("/a/b/c", "/a/b", Depth::one));
  EXPECT_FALSE(is_within("/a/b/c/d", "/a/b", Depth::one));
  EXPECT_TRUE(is_within("/a/b/c/d", "/a/b", Depth::infinity));
  EXPECT_FALSE(is_within("/a/bc", "/a/b", Depth::infinity));
  EXPECT_FALSE(is_within("/a", "/a/b", Depth::infinity));
}

TEST(Metadata, AValueWithANulIsALiteral8) {
  std::string out;
  append_value(out, std::nullopt);
  out += ' ';
  append_value(out, "x");
  out += ' ';
  append_value(out, std::string_view("a\0b", 3));
  using namespace std::string_view_literals;
  EXPECT_EQ(out, "NIL \"x\" ~{3}\r\na\0b"sv);
}

}  // namespace
}  // namespace posthorn::imap
