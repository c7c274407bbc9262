#include "pop3/proto/answer.h"

#include <gtest/gtest.h>

namespace posthorn::pop3 {
namespace {

std::string stuffed(std::string_view text, std::size_t piece) {
  DotStuffer stuffer;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += piece) stuffer.feed(text.substr(at, piece), out);
  stuffer.finish(out);
  return out;
}

std::string top(std::string_view text, std::uint64_t lines, std::size_t piece) {
  TopCut cut(lines);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += piece) out += cut.take(text.substr(at, piece));
  return out;
}

TEST(DotStuffer, InPiecesOfAnySize) {
  constexpr std::pair<std::string_view, std::string_view> kCases[] = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {"a\r", "a\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"..\r\n.a\r\nb.\r\n.", "...\r\n..a\r\nb.\r\n..\r\n.\r\n"},
      {"\r\n\r\n.\r\n\r\n", "\r\n\r\n..\r\n\r\n.\r\n"},
  };
  for (const auto& [text, answer] : kCases)
    for (std::size_t piece = 1; piece <= text.size() + 1; ++piece)
      EXPECT_EQ(stuffed(text, piece), answer) << piece;
}

TEST(TopCut, InPiecesOfAnySize) {
  constexpr std::string_view kMail = "A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\n";
  const std::string header = "A: 1\r\nB: 2\r\n\r\n";
  for (std::size_t piece = 1; piece <= kMail.size(); ++piece) {
    EXPECT_EQ(top(kMail, 0, piece), header);
    EXPECT_EQ(top(kMail, 1, piece), header + "one\r\n");
    EXPECT_EQ(top(kMail, 2, piece), header + "one\r\n\r\n");
    EXPECT_EQ(top(kMail, 3, piece), kMail);
    EXPECT_EQ(top(kMail, UINT64_MAX, piece), kMail);
    EXPECT_EQ(top("A: 1\r\nno body", 0, piece), "A: 1\r\nno body");
    EXPECT_EQ(top("\r\nbody\r\n", 0, piece), "\r\n");
    EXPECT_EQ(top("\r\r\nbody\r\n", 0, piece), "\r\r\n");
  }
}

TEST(TopCut, SaysWhenNothingMoreIsWanted) {
  TopCut cut(1);
  EXPECT_EQ(cut.take("A: 1\r\n\r\none\r"), "A: 1\r\n\r\none\r");
  EXPECT_FALSE(cut.is_done());
  EXPECT_EQ(cut.take("\ntwo"), "\n");
  EXPECT_TRUE(cut.is_done());
  EXPECT_EQ(cut.take("three\r\n"), "");
}

// Read from Dovecot 2.3.19 with its own setting: UID 170 of the mailbox with UIDVALIDITY
// 1700000001.
TEST(Uidl, IsDovecots) {
  EXPECT_EQ(format_uidl(170, 1'700'000'001), "000000aa6553f101");
  EXPECT_EQ(format_uidl(UINT32_MAX, UINT32_MAX), "ffffffffffffffff");
}

}  // namespace
}  // namespace posthorn::pop3
