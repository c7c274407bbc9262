// What goes out is the prefix and the file without the ranges that are left out, wherever they lie
// and however large the text is; what is made 7-bit is made so of just that text.
#include "deliver/wire_text.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace posthorn::deliver {
namespace {

constexpr message::Fit kBoth{.seven_bit = true, .short_lines = true};

std::string text_of(const Body& body, const message::RefitPlan& plan) {
  std::string out;
  WireText text(body, plan);
  for (int i = 0; i < 10'000 && !text.is_at_end(); ++i) {
    const auto piece = text.next();
    EXPECT_TRUE(piece);
    if (!piece) break;
    out += *piece;
  }
  EXPECT_TRUE(text.is_at_end());
  return out;
}

TEST(WireText, LeavesOutRanges) {
  test::TempFolder folder;
  std::string large;
  for (int i = 0; large.size() < 200'000; ++i)
    large += "line " + std::to_string(i) + " \xC3\xA4\r\n";
  large.insert(0, "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
  const std::uint64_t size = large.size();
  const Path file = folder.write("mail", "head" + large + "tail");
  const std::vector<std::vector<Body::Range>> rows = {
      {},
      {{0, 1}},
      {{0, 12}},
      {{12, 5}, {30, 1}, {40, 2}},
      {{65'535, 1}, {65'537, 65'536}, {131'073, 1}},
      {{size - 1, 1}},
      {{0, size}},
      {{0, 1}, {2, size - 3}, {size - 1, 1}},
  };
  for (const auto& ranges : rows)
    for (const std::string prefix : {"", "X-One: \xC3\xB6\r\n", "X-Two: y\r\n"}) {
      std::string expected = large;
      for (auto range = ranges.rbegin(); range != ranges.rend(); ++range)
        expected.erase(range->begin, range->size);
      expected.insert(0, prefix);
      const Body body{
          .file = file, .offset = 4, .size = size, .prefix = prefix, .left_out = ranges};
      EXPECT_EQ(body.text_size(), expected.size());
      EXPECT_TRUE(text_of(body, {}) == expected);
      const auto plan = plan_refit(body, kBoth, EightBitHeader::of_no_interest);
      ASSERT_TRUE(plan);
      EXPECT_TRUE(text_of(body, *plan) ==
                  (plan->segments.empty()
                       ? expected
                       : message::refit(expected, message::plan_refit(expected, kBoth))));
    }
}

}  // namespace
}  // namespace posthorn::deliver
