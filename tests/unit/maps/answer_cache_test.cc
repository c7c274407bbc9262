// Proves that kept answers are bounded in bytes and that the longest unused go first.
#include "maps/answer_cache.h"

#include <gtest/gtest.h>

namespace posthorn::maps {
namespace {

TEST(AnswerCache, Bounded) {
  AnswerCache cache(10'000);
  for (int i = 0; i < 1000; ++i) {
    cache.put("k" + std::to_string(i), {"value", {}, 0});
    ASSERT_LE(cache.bytes(), 10'000U);
    ASSERT_NE(cache.find("k0"), nullptr);  // used all the time
  }
  EXPECT_LT(cache.size(), 60U);
  EXPECT_EQ(cache.find("k1"), nullptr);
  EXPECT_NE(cache.find("k999"), nullptr);
  cache.put("big", {std::string(20'000, 'x'), {}, 0});
  EXPECT_EQ(cache.find("big"), nullptr);
  EXPECT_LE(cache.bytes(), 10'000U);
}

TEST(AnswerCache, ReplacedAndErased) {
  AnswerCache cache(100'000);
  cache.put("ax", {"1", {}, 1});
  cache.put("ax", {std::nullopt, {}, 2});
  cache.put("bx", {"3", {}, 1});
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.find("ax")->value, std::nullopt);
  EXPECT_EQ(cache.find("ax")->generation, 2U);
  cache.erase_if_begins("a");
  EXPECT_EQ(cache.find("ax"), nullptr);
  EXPECT_NE(cache.find("bx"), nullptr);
  cache.erase_if_begins("b");
  EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace posthorn::maps
