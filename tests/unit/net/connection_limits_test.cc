// Who is let in, and who has to go for it: the bounds by service, address and network, each reached
// by connections that say nothing; that the longest silent one goes, that nobody who has logged in
// or is being worked for does, and that 10 000 of a customer of a provider shut nobody out.
#include "net/connection_limits.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <list>
#include <ranges>

#include "tests/support/manual_clock.h"

namespace posthorn::net {
namespace {

struct LimitsTest : testing::Test {
  struct Held {
    ConnectionLimits::Slot slot;
    bool is_gone = false;  // had to give way
  };
  using Options = ConnectionLimits::Options;

  // What the bound is that refused it; empty: it was let in, and waits for its peer.
  std::string_view open(const std::string& address, std::string_view service = "smtp") {
    auto& held = all.emplace_back();
    const Peer peer{address, 1, address == "127.0.0.1"};
    auto taken = limits->take(peer, service, [&held] { held.is_gone = true; });
    if (!taken) {
      all.pop_back();
      return taken.error().bound;
    }
    held.slot = *std::move(taken);
    held.slot.watch()->begin_wait();
    return {};
  }
  void start(Options options) {
    all.clear();
    limits = std::make_unique<ConnectionLimits>(options);
  }
  std::size_t gone() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [](const Held& held) { return held.is_gone; }));
  }
  Options options(std::size_t rate = 1'000'000) { return {.per_minute_max = rate, .clock = clock}; }

  test::ManualClock clock;
  std::unique_ptr<ConnectionLimits> limits;
  std::list<Held> all;
};

TEST_F(LimitsTest, Networks) {
  Options wanted = options();
  wanted.per_address_max = 1;
  start(wanted);
  EXPECT_EQ(open("2001:db8:1:2::1"), "");
  EXPECT_EQ(open("2001:db8:1:2:ffff::9"), "connections_address");  // the same /64
  EXPECT_EQ(open("2001:db8:1:3::1"), "");
  EXPECT_EQ(open("192.0.2.1"), "");
  EXPECT_EQ(open("192.0.2.1"), "connections_address");
  EXPECT_EQ(open("192.0.2.2"), "");
  EXPECT_EQ(open("127.0.0.1"), "");
  EXPECT_EQ(open("127.0.0.1"), "");
  EXPECT_EQ(limits->connections(), 6U);
  all.pop_front();
  EXPECT_EQ(limits->connections(), 5U);
  EXPECT_EQ(open("2001:db8:1:2::5"), "");
}

TEST_F(LimitsTest, NewOnesInAMinute) {
  start(options(3));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(open("192.0.2.1"), "");
  EXPECT_EQ(open("192.0.2.1"), "connections_rate");
  EXPECT_EQ(open("192.0.2.2"), "");
  clock.advance(20s);
  EXPECT_EQ(open("192.0.2.1"), "");
  EXPECT_EQ(open("192.0.2.1"), "connections_rate");
}

// Each bound by itself: where everybody is busy, or has only just begun, the newcomer is refused;
// where somebody is silent, the longest silent goes, and no other.
TEST_F(LimitsTest, WhoIsSilentLongestGoes) {
  struct Case {
    std::string_view bound;
    std::size_t Options::* max;
    std::vector<std::string> addresses;
  };
  const Case cases[] = {
      {"connections", &Options::connections_max, {"192.0.2.1", "127.0.0.1", "2001:db8::1"}},
      {"connections_service", &Options::per_service_max, {"192.0.2.1", "127.0.0.1", "2001:db8::2"}},
      {"connections_address", &Options::per_address_max, {"192.0.2.1"}},
      {"connections_address", &Options::per_address_max, {"2001:db8::1", "2001:db8::2"}},
      {"connections_network", &Options::per_ipv4_24_max, {"192.0.2.1", "192.0.2.2", "192.0.2.9"}},
      {"connections_network", &Options::per_ipv6_56_max, {"2001:db8::1", "2001:db8:0:ff::1"}},
      {"connections_network", &Options::per_ipv6_48_max, {"2001:db8::1", "2001:db8:0:ffff::1"}},
  };
  for (const Case& one : cases) {
    std::size_t turn = 0;
    SCOPED_TRACE(fmt::format("{} {}", one.bound, one.addresses.back()));
    Options wanted = options();
    wanted.*one.max = 4;
    start(wanted);
    const auto next = [&] { return open(one.addresses[turn++ % one.addresses.size()]); };
    for (int i = 0; i < 4; ++i) EXPECT_EQ(next(), "");
    EXPECT_EQ(next(), one.bound);  // all have just begun
    EXPECT_EQ(gone(), 0U);
    clock.advance(1s);
    auto at = all.begin();
    at->slot.watch()->end_wait();  // the first one is being worked for
    std::next(at)->slot.watch()->end_wait();
    std::next(at)->slot.watch()->begin_wait();  // the second one has said something just now
    EXPECT_EQ(next(), "");
    EXPECT_EQ(gone(), 1U);
    EXPECT_TRUE(std::next(at, 2)->is_gone);
    EXPECT_EQ(next(), "");
    EXPECT_TRUE(std::next(at, 3)->is_gone);
    EXPECT_EQ(next(), one.bound);
    EXPECT_EQ(limits->connections(), 4U);
    EXPECT_FALSE(limits->make_room());
    clock.advance(1s);
    EXPECT_TRUE(limits->make_room());
    EXPECT_TRUE(std::next(at)->is_gone);
    EXPECT_FALSE(at->is_gone);
  }
}

// Who has a connection for long and always says a byte in time is silent all the same.
TEST_F(LimitsTest, DripsDoNotKeepAPlace) {
  Options wanted = options();
  wanted.connections_max = 100;
  start(wanted);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(open(fmt::format("192.0.2.{}", i)), "");
  for (int tick = 0; tick < 20; ++tick) {
    clock.advance(500ms);
    for (Held& held : all) {
      held.slot.watch()->end_wait();
      held.slot.watch()->begin_wait();
    }
  }
  EXPECT_EQ(open("198.51.100.1"), "");
  EXPECT_TRUE(all.front().is_gone);
}

TEST_F(LimitsTest, ALoginKeepsItsPlace) {
  Options wanted = options();
  wanted.connections_max = 20;
  wanted.per_ipv4_24_max = 2;
  start(wanted);
  for (int i = 0; i < 10; ++i) {  // a house behind one network: those inside do not count for it
    EXPECT_EQ(open(fmt::format("192.0.2.{}", i), "imaps"), "");
    all.back().slot.watch()->end_wait();
    all.back().slot.watch()->log_in();
    all.back().slot.watch()->begin_wait();
    all.back().slot.watch()->log_in();
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(open(fmt::format("10.{}.0.1", i)), "");
  clock.advance(1h);
  for (int i = 10; i < 20; ++i) EXPECT_EQ(open(fmt::format("10.{}.0.1", i)), "") << i;
  EXPECT_EQ(gone(), 10U);
  EXPECT_EQ(open("10.20.0.1"), "connections");  // nobody is left but those and who has just come
  EXPECT_TRUE(std::ranges::none_of(all | std::views::take(10), &Held::is_gone));
}

TEST_F(LimitsTest, AServiceLeavesRoomForTheOthers) {
  Options wanted = options();
  wanted.connections_max = 100;
  wanted.per_service_max = 80;
  start(wanted);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(open(fmt::format("10.0.{}.1", i), "imap"), "");
  for (int i = 60; i < 80; ++i) EXPECT_EQ(open(fmt::format("10.0.{}.1", i), "imaps"), "");
  for (Held& held : all) held.slot.watch()->log_in();
  EXPECT_EQ(open("10.0.200.1", "imaps"), "connections_service");
  EXPECT_EQ(open("10.0.200.1", "smtp"), "");
  EXPECT_EQ(open("10.0.200.1", "submissions"), "");
}

// 10 000 connections that say nothing, from the /64s of one /56, or from the addresses of one /24,
// or from everywhere; then somebody else, and a neighbour of theirs, on every service.
TEST_F(LimitsTest, TenThousandSilentOnesShutNobodyOut) {
  const std::function<std::string(int)> crowds[] = {
      [](int i) { return fmt::format("2001:db8:0:{:x}::{:x}", i % 256, i); },
      [](int i) { return fmt::format("198.51.100.{}", 1 + i % 252); },
      [](int i) { return fmt::format("2001:{:x}:{:x}::1", i % 50, i); },
      [](int i) { return fmt::format("10.{}.{}.1", i % 250, i / 250); }};
  for (const auto& crowd : crowds) {
    SCOPED_TRACE(crowd(0));
    start(options());
    for (int i = 0; i < 10'000; ++i) {
      (void)open(crowd(i), "imaps");
      if (i % 100 == 0) clock.advance(20ms);
    }
    clock.advance(1s);
    EXPECT_LE(limits->connections(), 10'000U);
    for (const std::string& address :
         {std::string("203.0.113.1"), std::string("3fff::1"), crowd(77)})
      for (const std::string_view service : {"smtp", "submission", "submissions", "imap", "imaps",
                                             "pop3", "pop3s", "http", "https", "lmtp"})
        EXPECT_EQ(open(address, service), "") << address << " " << service;
  }
}

TEST_F(LimitsTest, AFloodOfAddressesIsForgotten) {
  start(options());
  for (int i = 0; i < 300'000; ++i) {
    EXPECT_EQ(open(fmt::format("2001:{:x}:{:x}::1", i >> 16, i & 0xFFFF)), "");
    all.clear();
  }
  EXPECT_EQ(limits->connections(), 0U);
}

// Its own programs count by account, not by the minute.
TEST_F(LimitsTest, ProgramsOfThisMachine) {
  Options wanted = options(1);
  wanted.per_address_max = 3;
  wanted.loopback_exempt = false;
  start(wanted);
  const auto take = [&](std::uint32_t uid) {
    auto taken = limits->take({"local", 0, true, uid}, "submit.sock", [] {});
    if (taken) all.push_back({*std::move(taken)});
    return taken.has_value();
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(take(1000));
  EXPECT_FALSE(take(1000));
  EXPECT_TRUE(take(1001));
}

}  // namespace
}  // namespace posthorn::net
