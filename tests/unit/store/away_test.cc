// Proves that what `posthorn vacation` sets is read as it was written, holds on its days and no
// other, and that what makes no sense is refused with the reason.
#include "store/away.h"

#include <gtest/gtest.h>

#include "tests/support/fault_disk.h"
#include "tests/support/temp_folder.h"

namespace posthorn::store {
namespace {

using namespace std::chrono;

Away sample() {
  return {.text = "Ich bin weg.\n\nGrüße\n",
          .subject = "Urlaub: bis Montag",
          .from = 2026y / December / 1,
          .to = 2026y / December / 24,
          .every = days(3)};
}

TEST(Away, ComesBackAsItWasWritten) {
  const test::TempFolder home;
  EXPECT_FALSE(read_away(home.path()).value());
  for (const Away& away : {sample(), Away{.text = "x"}, Away{.text = "from: 1\n\n\ny"}}) {
    ASSERT_TRUE(write_away(Disk::real(), home.path(), away));
    EXPECT_TRUE(read_away(home.path()).value() == away);
  }
  ASSERT_TRUE(remove_away(Disk::real(), home.path()));
  ASSERT_TRUE(remove_away(Disk::real(), home.path()));
  EXPECT_FALSE(read_away(home.path()).value());
}

TEST(Away, HoldsFromItsFirstDayToItsLast) {
  const Away away = sample();
  EXPECT_FALSE(away.holds_on(2026y / November / 30));
  EXPECT_TRUE(away.holds_on(2026y / December / 1));
  EXPECT_TRUE(away.holds_on(2026y / December / 24));
  EXPECT_FALSE(away.holds_on(2026y / December / 25));
  EXPECT_TRUE(Away{.text = "x"}.holds_on(1999y / January / 1));
}

TEST(Away, WhatMakesNoSenseIsRefused) {
  for (const char* text :
       {"", "\n", "days: 7\n\n \n", "days: 0\n\nx", "days: 366\n\nx", "days: x\n\nx",
        "from: 2026-02-30\n\nx", "to: tomorrow\n\nx", "from: 2026-12-02\nto: 2026-12-01\n\nx",
        "colour: red\n\nx", "no line\n\nx", "\n\xFF"}) {
    const auto parsed = parse_away(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_FALSE(parsed.error().what.empty());
  }
  EXPECT_FALSE(parse_away("\n" + std::string(kAwayTextMax + 1, 'x')));
  EXPECT_TRUE(parse_away("\n" + std::string(kAwayTextMax, 'x')));
  const test::TempFolder home;
  EXPECT_FALSE(write_away(Disk::real(), home.path(), {.text = "x", .subject = "a\nb"}));
}

TEST(Away, DaysAreRealOnes) {
  EXPECT_EQ(parse_day("2024-02-29"), 2024y / February / 29);
  for (const char* none : {"2026-02-29", "2026-13-01", "2026-1-1", "26-01-01", "2026/01/01", ""})
    EXPECT_FALSE(parse_day(none)) << none;
  EXPECT_EQ(format_day(2026y / March / 4), "2026-03-04");
}

// After a kill or a power cut at any operation the old one or the new one is there, whole.
TEST(Away, NoCrashLeavesHalfOfIt) {
  for (int at = 1; at < 8; ++at) {
    const test::TempFolder home;
    ASSERT_TRUE(write_away(Disk::real(), home.path(), sample()));
    test::FaultDisk dying(test::FaultDisk::Fault::for_good, at);
    const bool is_done = write_away(dying, home.path(), {.text = "new"}).has_value();
    dying.cut_power();
    const auto after = read_away(home.path());
    ASSERT_TRUE(after && *after) << at;
    EXPECT_TRUE((*after)->text == "new" || (!is_done && **after == sample())) << at;
  }
}

}  // namespace
}  // namespace posthorn::store
