// Proves how a host that mail is handed to is written, and what is none.
#include "config/next_hop.h"

#include <gtest/gtest.h>

namespace posthorn::config {
namespace {

TEST(NextHop, Rows) {
  const struct {
    std::string text, expected;
  } rows[] = {
      {"[a.example]:587", "a.example 587 0"},   {"[a.example]", "a.example 25 0"},
      {"a.example:26", "a.example 26 1"},       {"a.example", "a.example 25 1"},
      {"[2001:db8::1]:25", "2001:db8::1 25 0"}, {"[a.example]:65535", "a.example 65535 0"},
  };
  for (const auto& row : rows) {
    const auto hop = parse_next_hop(row.text);
    ASSERT_TRUE(hop) << row.text;
    EXPECT_EQ(fmt::format("{} {} {:d}", hop->host, hop->port, hop->use_mx), row.expected);
  }
  for (const std::string wrong : {"", "[", "[]", "[]:25", "[a", "[a]x", "[a]:", "a:", "a:0",
                                  "a:65536", "a:-1", "a:25x", "a: 25", ":25", "[a]:0", "[a]25"})
    EXPECT_FALSE(parse_next_hop(wrong)) << wrong;
}

}  // namespace
}  // namespace posthorn::config
