#include "smtp/proto/line_ends.h"

#include <gtest/gtest.h>
#include <string>

namespace posthorn::smtp {
namespace {

struct Mended {
  std::string text;
  bool has_bare = false;
  bool has_long_line = false;
  bool operator==(const Mended&) const = default;
};

Mended mend(std::string_view input, std::size_t piece) {
  LineEnds line_ends(10);
  Mended out;
  std::string room;
  for (std::size_t at = 0; at < input.size(); at += piece)
    out.text += line_ends.feed(input.substr(at, piece), room);
  out.text += line_ends.finish();
  out.has_bare = line_ends.has_bare();
  out.has_long_line = line_ends.has_long_line();
  return out;
}

TEST(LineEnds, EveryKindInEveryPieceSize) {
  using namespace std::string_literals;
  const struct {
    std::string input, text;
    bool has_bare, has_long_line;
  } rows[] = {
      {"", "", false, false},
      {"a\r\nb\r\n", "a\r\nb\r\n", false, false},
      {"a\nb\n", "a\r\nb\r\n", true, false},
      {"a\n\nb\r\n", "a\r\n\r\nb\r\n", true, false},
      {"a\rb\r\n", "a b\r\n", true, false},
      {"a\r\r\n\r\r\r\n", "a \r\n  \r\n", true, false},
      {"\n\r", "\r\n ", true, false},
      {"\r\n\n\r\n", "\r\n\r\n\r\n", true, false},
      {"a\0b\r\n"s, "a\0b\r\n"s, false, false},
      {"\0\n\0\r\0"s, "\0\r\n\0 \0"s, true, false},
      {"end", "end", false, false},
      {"end\r", "end ", true, false},
      {"0123456789\r\n0123456789\r\n", "0123456789\r\n0123456789\r\n", false, false},
      {"0123456789\n0123456789\n", "0123456789\r\n0123456789\r\n", true, false},
      {"01234\r56789\r\n", "01234 56789\r\n", true, true},
      {"a\r\n0123456789x\r\n", "a\r\n0123456789x\r\n", false, true},
  };
  for (const auto& row : rows)
    for (const std::size_t piece : {1U, 2U, 3U, 5U, 4096U})
      EXPECT_EQ(mend(row.input, piece), (Mended{row.text, row.has_bare, row.has_long_line}))
          << row.input << " by " << piece;
}

// What needs nothing is not copied.
TEST(LineEnds, AWholePieceIsGivenBack) {
  LineEnds line_ends(1000);
  std::string room;
  const std::string_view text = "one\r\ntwo\r\nthree\r";
  const std::string_view out = line_ends.feed(text, room);
  EXPECT_EQ(out.data(), text.data());
  EXPECT_EQ(out, text.substr(0, text.size() - 1));
}

}  // namespace
}  // namespace posthorn::smtp
