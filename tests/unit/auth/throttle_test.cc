// Proves the brake on password guessing: the delays and the ban by the clock, for an address and
// for an account from a network; that nobody can lock another out or wash himself clean; that
// memory stays bounded under a flood. And which networks an address belongs to.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "auth/service.h"
#include "tests/support/manual_clock.h"

namespace posthorn::auth {
namespace {

using Who = Throttle::Who;

struct ThrottleTest : testing::Test {
  config::Auth config;
  test::ManualClock clock;
  Throttle throttle{config, clock};
};

TEST_F(ThrottleTest, DelaysGrowThenTheAddressIsBanned) {
  const int seconds[] = {0, 0, 0, 1, 2, 4, 8, 15, 15, 15};
  const Who who{"192.0.2.1", "alice@example.test"};
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(throttle.is_banned(who)) << i;
    EXPECT_EQ(throttle.fail(who), std::chrono::seconds(seconds[std::min(i, 9)])) << i;
    clock.advance(1s);
  }
  EXPECT_TRUE(throttle.is_banned(who));
  EXPECT_TRUE(throttle.is_banned({"192.0.2.1", "bob@example.test"}));
  EXPECT_FALSE(throttle.is_banned({"198.51.100.1", "alice@example.test"}));
  clock.advance(10min - 1s);
  EXPECT_TRUE(throttle.is_banned(who));
  clock.advance(2s);
  EXPECT_FALSE(throttle.is_banned(who));
  EXPECT_EQ(throttle.fail(who), 0s);  // and all is forgotten
}

std::vector<std::string> told(const Throttle& throttle) {
  std::vector<std::string> lines;
  for (const Ban& ban : throttle.bans())
    lines.push_back(fmt::format("{} {} {} {}", ban.who, ban.account.empty() ? "-" : ban.account,
                                ban.left.count(), ban.failures));
  return lines;
}

TEST_F(ThrottleTest, BansAreToldAndEnded) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(told(throttle), Lines{});
  for (int i = 0; i < 19; ++i) (void)throttle.fail({"192.0.2.1", "alice@example.test"});
  EXPECT_EQ(told(throttle), Lines{});
  EXPECT_FALSE(throttle.unban("192.0.2.1"));  // which forgets the failures all the same
  for (int i = 0; i < 20; ++i) (void)throttle.fail({"192.0.2.1", "alice@example.test"});
  clock.advance(1min);
  for (int i = 0; i < 20; ++i) (void)throttle.fail({"2001:db8:1:2::7", fmt::format("u{}", i)});
  EXPECT_EQ(told(throttle),
            (Lines{"2001:db8:1:2::/64 - 600000 20", "192.0.2.0/24 alice@example.test 540000 20",
                   "192.0.2.1 - 540000 20"}));
  EXPECT_TRUE(throttle.is_banned({"192.0.2.9", "alice@example.test"}));
  // Of its network's accounts too, by any address of it, and as it is told.
  EXPECT_FALSE(throttle.unban("192.0.3.1"));
  EXPECT_FALSE(throttle.unban("nonsense"));
  EXPECT_TRUE(throttle.unban("192.0.2.1"));
  EXPECT_FALSE(throttle.is_banned({"192.0.2.1", "alice@example.test"}));
  EXPECT_FALSE(throttle.is_banned({"192.0.2.9", "alice@example.test"}));
  EXPECT_FALSE(throttle.unban("192.0.2.1"));
  EXPECT_EQ(told(throttle), Lines{"2001:db8:1:2::/64 - 600000 20"});
  EXPECT_TRUE(throttle.unban("2001:db8:1:2::/64"));
  EXPECT_EQ(throttle.fail({"192.0.2.1", "alice@example.test"}), 0s);  // all is forgotten
  for (int i = 0; i < 20; ++i) (void)throttle.fail({"192.0.2.1", "alice@example.test"});
  clock.advance(11min);
  EXPECT_EQ(told(throttle), Lines{});
}

TEST_F(ThrottleTest, BannedByHand) {
  const Who at_home{"192.0.2.1", "alice@example.test"};
  throttle.succeed(at_home);
  EXPECT_FALSE(throttle.ban("nonsense", 1h));
  EXPECT_FALSE(throttle.ban("192.0.2.0/24", 1h));
  EXPECT_TRUE(throttle.ban("192.0.2.1", 1h));
  EXPECT_TRUE(throttle.ban("2001:db8::1", 2h));
  EXPECT_TRUE(throttle.is_banned(at_home));
  EXPECT_TRUE(throttle.is_banned({"::ffff:192.0.2.1", "x"}));
  EXPECT_TRUE(throttle.is_banned({"2001:db8::77", "x"}));
  EXPECT_FALSE(throttle.is_banned({"192.0.2.2", "alice@example.test"}));
  EXPECT_EQ(told(throttle),
            (std::vector<std::string>{"2001:db8::/64 - 7200000 0", "192.0.2.1 - 3600000 0"}));
  clock.advance(1h);
  EXPECT_FALSE(throttle.is_banned(at_home));
  EXPECT_TRUE(throttle.unban("2001:db8::1"));
  EXPECT_FALSE(throttle.is_banned({"2001:db8::77", "x"}));
  EXPECT_TRUE(told(throttle).empty());
  for (int i = 0; i < 10'100; ++i)
    (void)throttle.ban(fmt::format("10.{}.{}.1", i / 256, i % 256), 1h);
  EXPECT_EQ(throttle.bans().size(), 10'000U);  // bounded
  EXPECT_TRUE(throttle.ban("10.0.0.1", 3h));   // one that is in it already
  EXPECT_EQ(throttle.bans().front().who, "10.0.0.1");
}

TEST_F(ThrottleTest, OneAccountFromOneNetwork) {
  // A different address each time, all of one /24.
  for (int i = 1; i <= 20; ++i) {
    const Who who{fmt::format("192.0.2.{}", i), "alice@example.test"};
    EXPECT_FALSE(throttle.is_banned(who)) << i;
    (void)throttle.fail(who);
  }
  EXPECT_TRUE(throttle.is_banned({"192.0.2.99", "alice@example.test"}));
  EXPECT_FALSE(throttle.is_banned({"192.0.2.99", "bob@example.test"}));
  EXPECT_FALSE(throttle.is_banned({"192.0.3.99", "alice@example.test"}));
}

TEST_F(ThrottleTest, Ipv6CountsByItsNetwork) {
  for (int i = 0; i < 20; ++i)
    (void)throttle.fail(
        {fmt::format("2001:db8:1:2:{:x}::{:x}", i, i + 1), fmt::format("user{}", i)});
  EXPECT_TRUE(throttle.is_banned({"2001:db8:1:2::77", "x"}));
  EXPECT_FALSE(throttle.is_banned({"2001:db8:1:3::77", "x"}));
  // An IPv4 address in IPv6's clothes is that IPv4 address, and not all of them.
  for (int i = 0; i < 20; ++i) (void)throttle.fail({"::ffff:192.0.2.7", fmt::format("user{}", i)});
  EXPECT_TRUE(throttle.is_banned({"192.0.2.7", "x"}));
  EXPECT_FALSE(throttle.is_banned({"::ffff:192.0.2.8", "x"}));
  EXPECT_FALSE(throttle.is_banned({"192.0.2.8", "x"}));
}

TEST_F(ThrottleTest, AKnownPairIsNeverLockedOut) {
  const Who good{"192.0.2.1", "alice@example.test"};
  throttle.succeed(good);
  for (int i = 0; i < 100; ++i) (void)throttle.fail({"192.0.2.1", fmt::format("user{}", i)});
  for (int i = 0; i < 100; ++i) (void)throttle.fail({"192.0.2.66", "alice@example.test"});
  EXPECT_FALSE(throttle.is_banned(good));
  EXPECT_TRUE(throttle.is_banned({"192.0.2.1", "bob@example.test"}));
  EXPECT_TRUE(throttle.is_banned({"192.0.2.67", "alice@example.test"}));
  // Wrong passwords of the good pair still wait.
  EXPECT_EQ(throttle.fail(good), 15s);
}

TEST_F(ThrottleTest, AKnownPairHasAHigherBoundAndNotNone) {
  const Who good{"192.0.2.1", "alice@example.test"};
  throttle.succeed(good);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(throttle.is_banned(good)) << i;
    (void)throttle.fail(good);
  }
  EXPECT_TRUE(throttle.is_banned(good));
  EXPECT_FALSE(throttle.begin(good));
  // What the same account does elsewhere, and another one here, is another matter.
  const Who away{"198.51.100.1", "alice@example.test"}, other{"192.0.2.1", "bob@example.test"};
  throttle.succeed(away);
  throttle.succeed(other);
  EXPECT_FALSE(throttle.is_banned(away));
  EXPECT_FALSE(throttle.is_banned(other));
  EXPECT_EQ(throttle.ban_left(good), 30s);
  EXPECT_TRUE(std::ranges::count(told(throttle), "192.0.2.1 alice@example.test 30000 100"));
  clock.advance(30s);  // then there is one try, as any address has twenty in ten minutes
  EXPECT_TRUE(throttle.begin(good));
  (void)throttle.fail(good);
  EXPECT_FALSE(throttle.begin(good));
  EXPECT_TRUE(throttle.unban("192.0.2.1"));
  EXPECT_FALSE(throttle.is_banned(good));
  EXPECT_TRUE(told(throttle).empty());
}

TEST_F(ThrottleTest, ABurstBehindAKnownAddressGetsNoMoreThanItsBound) {
  const Who good{"192.0.2.1", "alice@example.test"};
  throttle.succeed(good);
  std::vector<Throttle::Try> tries;
  while (auto begun = throttle.begin(good)) tries.push_back(*std::move(begun));
  EXPECT_EQ(tries.size(), 100U);
}

// A mail program with the right password, which asks all the time, does not make the guesses of
// who sits behind the same address good.
TEST_F(ThrottleTest, ALoginDoesNotWashAwayGuessesAtItself) {
  const Who good{"192.0.2.1", "alice@example.test"};
  std::size_t guesses = 0;
  throttle.succeed(good);
  for (int minute = 0; minute < 120; ++minute, clock.advance(1min)) {
    while (throttle.begin(good)) {
      (void)throttle.fail(good);
      ++guesses;
    }
    throttle.succeed(good);
  }
  EXPECT_LE(guesses, 100U + 2 * 120);
}

// A telephone that still has the old password, and asks every minute, bans nobody at home.
TEST_F(ThrottleTest, AnOldPasswordInOneOfMyProgramsLocksNobodyOut) {
  const Who good{"2001:db8::1", "alice@example.test"};
  throttle.succeed(good);
  for (int minute = 0; minute < 1000; ++minute, clock.advance(1min)) {
    ASSERT_FALSE(throttle.is_banned(good)) << minute;
    (void)throttle.fail(good);
  }
}

TEST_F(ThrottleTest, ABanOfNoTimeIsNoneForAKnownPairEither) {
  config.ban = 0ms;
  const Who good{"192.0.2.1", "alice@example.test"};
  throttle.succeed(good);
  for (int i = 0; i < 300; ++i) (void)throttle.fail(good);
  EXPECT_FALSE(throttle.is_banned(good));
  EXPECT_TRUE(told(throttle).empty());
}

TEST_F(ThrottleTest, NobodyWashesHimselfClean) {
  const Who own{"192.0.2.1", "eve@example.test"};
  for (int i = 0; i < 20; ++i) {
    (void)throttle.fail({"192.0.2.1", fmt::format("victim{}@example.test", i % 5)});
    throttle.succeed(own);
  }
  EXPECT_TRUE(throttle.is_banned({"192.0.2.1", "victim9@example.test"}));
  // A person who mistyped his own password is forgiven.
  const Who clumsy{"198.51.100.1", "bob@example.test"};
  for (int i = 0; i < 5; ++i) (void)throttle.fail(clumsy);
  throttle.succeed(clumsy);
  EXPECT_EQ(throttle.fail(clumsy), 0s);
}

TEST_F(ThrottleTest, AFloodNeitherGrowsNorFlushesTheRecent) {
  const Who who{"203.0.113.1", "alice@example.test"};
  for (int i = 0; i < 20; ++i) (void)throttle.fail(who);
  const std::string long_name(512, 'u');
  for (int i = 0; i < 110'000; ++i) {
    (void)throttle.fail(
        {fmt::format("10.{}.{}.{}", i / 65'536, i / 256 % 256, i % 256), long_name});
    if (i % 25'000 == 0) {
      ASSERT_TRUE(throttle.is_banned(who)) << i;  // in use, so it stays
    }
  }
  EXPECT_LE(throttle.size(), 200'000U);
  EXPECT_TRUE(throttle.is_banned(who));
}

}  // namespace
}  // namespace posthorn::auth
