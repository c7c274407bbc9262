// When a certificate is asked for.
#include "acme/schedule.h"

#include <gtest/gtest.h>
#include <set>

namespace posthorn::acme {
namespace {

using std::chrono::hours;

class ScheduleTest : public testing::Test {
 protected:
  const WallTime begin_{hours(500'000)};
  Entry entry_{.name = "mx.example.org", .names = {"mx.example.org"}};
  Life life_{.begins = begin_,
             .ends = begin_ + hours(24 * 90),
             .names = {"mx.example.org"},
             .fingerprint = "ab"};
};

TEST_F(ScheduleTest, AtOnceWithoutOneOrWithoutAName) {
  EXPECT_EQ(find_due(entry_, std::nullopt).at, WallTime{});
  entry_.names.push_back("mta-sts.example.org");
  EXPECT_EQ(find_due(entry_, life_).at, WallTime{});
  life_.names.push_back("mta-sts.example.org");
  EXPECT_GT(find_due(entry_, life_).at, begin_);
  entry_.names.pop_back();  // one name more than is wanted is no reason
  EXPECT_GT(find_due(entry_, life_).at, begin_);
}

TEST_F(ScheduleTest, AtAThirdOfTheLifeWhateverItsLengthAndSpread) {
  for (const std::chrono::milliseconds whole : {24h * 90, 24h * 6, 24h * 45, 1h}) {
    life_.ends = begin_ + whole;
    std::set<WallTime> times;
    for (int i = 0; i < 50; ++i) {
      life_.fingerprint = std::to_string(i);
      const WallTime at = find_due(entry_, life_).at;
      EXPECT_LE(at, life_.ends - whole / 3);
      EXPECT_GE(at, life_.ends - whole * 2 / 5);
      times.insert(at);
    }
    EXPECT_GT(*times.rbegin() - *times.begin(), whole / 40);
  }
  EXPECT_EQ(find_due(entry_, life_).at, find_due(entry_, life_).at);
}

TEST_F(ScheduleTest, TheAuthoritysWindowHasTheSayButNotBeyondTheEnd) {
  entry_.window = Window{begin_ + hours(10), begin_ + hours(20), ""};
  const WallTime at = find_due(entry_, life_).at;
  EXPECT_GE(at, begin_ + hours(10));
  EXPECT_LT(at, begin_ + hours(20));
  entry_.window = Window{life_.ends + hours(10), life_.ends + hours(20), ""};
  EXPECT_EQ(find_due(entry_, life_).at, life_.ends);
}

TEST_F(ScheduleTest, AfterFailuresEverLaterUpToADayAndAsTheAuthorityWants) {
  entry_.attempted = begin_;
  std::chrono::milliseconds before = 0ms;
  for (entry_.failures = 1; entry_.failures < 40; ++entry_.failures) {
    const auto wait = find_due(entry_, std::nullopt).at - begin_;
    EXPECT_GE(wait, std::chrono::minutes(10));
    EXPECT_GE(wait, before);
    EXPECT_LE(wait, hours(30));
    before = wait;
  }
  entry_.not_before = begin_ + hours(72);
  EXPECT_EQ(find_due(entry_, std::nullopt).at, begin_ + hours(72));
  entry_.failures = 0;
  EXPECT_EQ(find_due(entry_, std::nullopt).at, begin_ + hours(72));
}

}  // namespace
}  // namespace posthorn::acme
