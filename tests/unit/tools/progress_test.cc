// Proves what is drawn of a transfer: no more than the line has room for, and no number that cannot
// be known.
#include "tools/progress.h"

#include <gtest/gtest.h>

namespace posthorn::tools {
namespace {

constexpr Standing kHalf{.messages = 2600,
                         .done = 2600,
                         .all = 5000,
                         .messages_all = 5000,
                         .time = 4s,
                         .folder = "INBOX"};

TEST(Progress, Draws) {
  EXPECT_EQ(draw_standing(kHalf, 100),
            "[############------------]  52 %  2600 of 5000 messages, 650/s, 4 s left, in INBOX");
  Standing bytes = kHalf;
  bytes.done = 250;
  bytes.all = 1000;
  bytes.messages_all = 0;
  EXPECT_EQ(draw_standing(bytes, 100),
            "[######------------------]  25 %  2600 messages, 650/s, 13 s left, in INBOX");
  bytes.all = 0;
  EXPECT_EQ(draw_standing(bytes, 100), "2600 messages, 650/s, in INBOX");
}

TEST(Progress, KnowsNoMoreThanItSaw) {
  Standing at = kHalf;
  at.time = 300ms;
  EXPECT_EQ(draw_standing(at, 100),
            "[############------------]  52 %  2600 of 5000 messages, in INBOX");
  at = kHalf;
  at.messages = at.done = 6000;  // mail came meanwhile
  EXPECT_EQ(draw_standing(at, 100),
            "[########################] 100 %  6000 of 5000 messages, 1500/s, in INBOX");
  at.messages = at.done = 0;
  EXPECT_EQ(draw_standing(at, 100),
            "[------------------------]   0 %  0 of 5000 messages, 0/s, in INBOX");
  at.all = at.messages_all = 0;
  EXPECT_EQ(draw_standing(at, 100), "0 messages, 0/s, in INBOX");
}

TEST(Progress, TimeLeft) {
  const auto left = [](std::chrono::milliseconds time) {
    Standing at = kHalf;
    at.done = 2500;
    at.time = time;
    const std::string line = tell_standing(at);
    return line.substr(line.find("), ") + 3);
  };
  EXPECT_EQ(left(98s), "99 s left, in INBOX now");
  EXPECT_EQ(left(100s), "2 min left, in INBOX now");
  EXPECT_EQ(left(98min), "99 min left, in INBOX now");
  EXPECT_EQ(left(120min), "2 h 01 min left, in INBOX now");
}

TEST(Progress, FitsItsLine) {
  Standing at = kHalf;
  const std::string folder = "Entw\xC3\xBCrfe.\xE4\xB8\xAD\xE6\x96\x87";
  at.folder = folder;
  for (std::size_t columns = 32; columns < 120; ++columns) {
    const std::string line = draw_standing(at, columns);
    // Two columns for what is not ASCII: two bytes fewer than its folder's name has.
    EXPECT_LT(line.size() - (line.ends_with(folder) ? 2 : 0), columns) << line;
  }
  EXPECT_EQ(draw_standing(at, 40), " 52 %  2600 of 5000 messages, 650/s");
  EXPECT_EQ(draw_standing(at, 70),
            "[############------------]  52 %  2600 of 5000 messages, 650/s");
}

TEST(Progress, AFolderDoesNotSteerTheTerminal) {
  Standing at = kHalf;
  at.folder =
      "a\x1b[2Jb\r\n\x7f\xC2\x9B"
      "c";
  EXPECT_TRUE(draw_standing(at, 200).ends_with(", in a?[2Jb????c"));
  EXPECT_EQ(tell_standing(at), "2600 of 5000 messages (52 %), 4 s left, in a?[2Jb????c now");
}

}  // namespace
}  // namespace posthorn::tools
