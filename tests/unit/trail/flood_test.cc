// What strangers cause at will does not fill the trail: one source is told of within its bound, all
// together within theirs, and what is left out is counted, so that the sum is always what happened.
#include "trail/flood.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/ascii.h"
#include "base/events.h"
#include "trail/record.h"

namespace posthorn::trail {
namespace {

struct FloodTest : testing::Test {
  bool may_tell(const log::Event& event, log::Fields fields) {
    return flood.may_tell(format_record(WallTime{}, event, "S", "-", fields), now);
  }
  bool fail(const std::string& address, const std::string& user) {
    ++happened;
    const bool may = may_tell(event::auth_failed, {{"user", user}, {"address", address}});
    if (may) ++told, ++stands_for;
    return may;
  }
  std::vector<std::string> take() { return count(flood.take_due(now)); }
  std::vector<std::string> count(std::vector<std::string> records) {
    for (const std::string& record : records) {
      ++told;
      const std::size_t at = record.find("\ncount=");
      stands_for +=
          at == std::string::npos ? 1 : to_number<std::uint64_t>(record.substr(at + 7)).value_or(0);
    }
    return records;
  }

  Flood flood{{.burst_same = 2,
               .burst_source = 5,
               .burst_event = 50,
               .pause = 60s,
               .event_pause = 6s,
               .counters_max = 200}};
  SteadyTime now{std::chrono::hours(1)};
  std::uint64_t happened = 0, told = 0, stands_for = 0;
};

TEST_F(FloodTest, WhoRepeatsItselfIsToldOnceAMinute) {
  EXPECT_TRUE(fail("192.0.2.1", "alice"));
  EXPECT_TRUE(fail("192.0.2.1", "alice"));
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(fail("192.0.2.1", "alice"));
  EXPECT_TRUE(fail("192.0.2.1", "bob"));
  EXPECT_TRUE(fail("192.0.2.2", "alice"));
  EXPECT_EQ(flood.next_due(), now + 60s);
  EXPECT_TRUE(take().empty());
  now += 60s;
  const auto due = take();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due.front(), "0 auth.failed S -\nuser=alice\naddress=192.0.2.1\ncount=7");
  EXPECT_EQ(stands_for, happened);
  EXPECT_EQ(flood.next_due(), SteadyTime::max());
  now += 2min;  // and then it is as at first
  EXPECT_TRUE(fail("192.0.2.1", "alice"));
}

TEST_F(FloodTest, OneSourceWithManyNames) {
  for (int i = 0; i < 1000; ++i) (void)fail("192.0.2.1", fmt::format("user{}", i));
  EXPECT_EQ(told, 5U);
  now += 60s;
  const auto due = take();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_TRUE(due.front().ends_with("user=user999\naddress=192.0.2.1\ncount=995"));
  EXPECT_EQ(stands_for, happened);
}

// A /64 is one source, whichever of its addresses is used.
TEST_F(FloodTest, AnIPv6HostIsOneSource) {
  for (int i = 0; i < 100; ++i)
    (void)fail(fmt::format("2001:db8::{:x}", i), fmt::format("user{}", i));
  EXPECT_EQ(told, 5U);
  EXPECT_TRUE(fail("2001:db8:0:1::1", "user"));
}

TEST_F(FloodTest, ManySourcesTogetherHaveABound) {
  for (int minute = 0; minute < 60; ++minute) {
    for (int i = 0; i < 500; ++i)
      (void)fail(fmt::format("10.{}.{}.1", minute, i), fmt::format("user{}", i));
    now += 60s;
    (void)take();
  }
  // 50 at first, then one every six seconds.
  EXPECT_LE(told, 50U + 600U + 60U);
  EXPECT_GE(told, 500U);
  EXPECT_LE(flood.size(), 200U);
  (void)count(flood.take_rest());
  EXPECT_EQ(stands_for, happened);
}

TEST_F(FloodTest, OtherEventsAreNotItsMatter) {
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(may_tell(event::queue_delivered, {{"address", "192.0.2.1"}}));
  // Nor are refusals that have no source: of this machine's programs.
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(may_tell(event::smtp_rcpt_refused, {{"rcpt", "a@x"}}));
  EXPECT_EQ(flood.size(), 0U);
}

// A mail program that looks every minute; and an office behind one address is told of whole.
TEST_F(FloodTest, LoginsOfUsersAreToldEveryTenMinutes) {
  const auto login = [&](const std::string& account) {
    return may_tell(event::auth_succeeded, {{"account", account}, {"address", "192.0.2.1"}});
  };
  int told_at_once = 0, told_later = 0;
  for (int minute = 0; minute < 100; ++minute) {
    told_at_once += login("alice") ? 1 : 0;
    now += 60s;
    told_later += static_cast<int>(take().size());
  }
  EXPECT_GE(told_at_once + told_later, 10);
  EXPECT_LE(told_at_once + told_later, 13);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(login("user" + std::to_string(i)));
}

// A harvester's and a login's bounds are not each other's.
TEST_F(FloodTest, EachEventHasItsOwnBounds) {
  for (int i = 0; i < 1000; ++i) (void)fail("192.0.2.1", fmt::format("user{}", i));
  EXPECT_TRUE(may_tell(event::smtp_rcpt_refused, {{"rcpt", "a@x"}, {"address", "192.0.2.1"}}));
  EXPECT_TRUE(may_tell(event::connection_refused, {{"address", "192.0.2.1"}}));
}

}  // namespace
}  // namespace posthorn::trail
