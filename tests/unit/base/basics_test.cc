// The small pieces everything stands on: times as text, ids, the list of events, who owns an
// account.
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/placement.h"
#include "tests/support/manual_clock.h"

namespace posthorn {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

WallTime at(std::int64_t ms) {
  return WallTime(std::chrono::milliseconds(ms));
}

class TimeZone {
 public:
  explicit TimeZone(const char* name) {
    const char* now = ::getenv("TZ");
    if (now != nullptr) old_ = now;
    set(name);
  }
  ~TimeZone() { set(old_ ? old_->c_str() : nullptr); }

 private:
  static void set(const char* name) {
    name != nullptr ? ::setenv("TZ", name, 1) : ::unsetenv("TZ");
    ::tzset();
  }
  std::optional<std::string> old_;
};

TEST(ClockText, LogTimeIsUtcWithMilliseconds) {
  const TimeZone zone("Asia/Kathmandu");
  const struct {
    std::int64_t ms;
    const char* text;
  } rows[] = {{0, "1970-01-01T00:00:00.000Z"},
              {1, "1970-01-01T00:00:00.001Z"},
              {1'795'235'206'123, "2026-11-21T04:26:46.123Z"},
              {951'782'400'000, "2000-02-29T00:00:00.000Z"},
              {4'102'444'799'999, "2099-12-31T23:59:59.999Z"},
              {-1, "1969-12-31T23:59:59.999Z"},
              {-1000, "1969-12-31T23:59:59.000Z"}};
  for (const auto& row : rows) EXPECT_EQ(format_log_time(at(row.ms)), row.text);
}

TEST(ClockText, MailTimeHasTheOffset) {
  const struct {
    const char* zone;
    std::int64_t ms;
    const char* text;
  } rows[] = {
      {"UTC0", 1'795'235'206'123, "Sat, 21 Nov 2026 04:26:46 +0000"},
      {"XXX-5:45", 1'795'235'206'123, "Sat, 21 Nov 2026 10:11:46 +0545"},
      {"XXX3:30", 1'795'235'206'123, "Sat, 21 Nov 2026 00:56:46 -0330"},
      {"XXX0:30", 1'795'235'206'123, "Sat, 21 Nov 2026 03:56:46 -0030"},
      {"UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000"},
  };
  for (const auto& row : rows) {
    const TimeZone zone(row.zone);
    EXPECT_EQ(format_rfc5322(at(row.ms)), row.text) << row.zone;
  }
}

TEST(Clocks, TheSystemsGoesOnAndTheTestsStandsStill) {
  const SteadyTime before = Clock::system().steady_now();
  EXPECT_GE(Clock::system().steady_now(), before);
  EXPECT_GT(Clock::system().now(), at(1'700'000'000'000));
  test::ManualClock clock;
  const WallTime wall = clock.now();
  const SteadyTime steady = clock.steady_now();
  EXPECT_EQ(clock.now(), wall);
  clock.advance(90s);
  EXPECT_EQ(clock.now() - wall, 90s);
  EXPECT_EQ(clock.steady_now() - steady, 90s);
  clock.set_wall(at(0));
  EXPECT_EQ(clock.now(), at(0));
  EXPECT_EQ(clock.steady_now() - steady, 90s);  // a changed wall clock does not move it
}

TEST(Ids, AlphabetAndLength) {
  for (int i = 0; i < 1000; ++i) {
    const std::string session = make_session_id(), queue = make_queue_id(Clock::system().now());
    EXPECT_EQ(session.size(), 8U);
    EXPECT_EQ(queue.size(), 13U);
    EXPECT_EQ((session + queue).find_first_not_of(kAlphabet), std::string::npos);
  }
  std::set<char> used;
  for (int i = 0; i < 1000; ++i)
    for (const char c : make_session_id()) used.insert(c);
  EXPECT_EQ(used.size(), kAlphabet.size());
}

TEST(Ids, AreUniqueAlsoInOneMillisecondAndOnManyThreads) {
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made)
    threads.emplace_back([&mine] {
      for (int i = 0; i < 300; ++i) {
        mine.push_back(make_queue_id(at(1'000)));
        mine.push_back(make_session_id());
      }
    });
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  EXPECT_GE(all.size(), 4 * 600U - 1);  // of 2^25: a clash is rare, and the spool asks again then
}

TEST(Ids, SortByArrivalAndTakeAnyClock) {
  std::string before = make_queue_id(at(0));
  for (const std::int64_t ms : {1LL, 31LL, 32LL, 1024LL, 1'600'000'000'000LL - 1,
                                1'600'000'000'000LL, 1'600'000'000'001LL}) {
    const std::string id = make_queue_id(at(ms));
    if (ms < (1LL << 40)) EXPECT_LT(before.substr(0, 8), id.substr(0, 8)) << ms;
    before = id;
  }
  for (const std::int64_t ms : {std::int64_t{-1}, INT64_MIN, INT64_MAX})
    EXPECT_EQ(make_queue_id(at(ms)).find_first_not_of(kAlphabet), std::string::npos);
}

TEST(Ids, RandomBytes) {
  EXPECT_EQ(random_bytes(0), "");
  EXPECT_EQ(random_bytes(1000).size(), 1000U);
  EXPECT_NE(random_bytes(32), random_bytes(32));
  const std::string hex = random_hex(500);
  EXPECT_EQ(hex.size(), 1000U);
  EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(Events, EachHasItsOwnNameAndASentence) {
  std::set<std::string_view> names, meanings;
  EXPECT_GT(event::all().size(), 50U);
  for (const log::Event& event : event::all()) {
    SCOPED_TRACE(event.name);
    EXPECT_TRUE(names.insert(event.name).second) << "twice";
    EXPECT_EQ(event.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789."),
              std::string_view::npos);
    EXPECT_NE(event.name.find('.'), std::string_view::npos);
    EXPECT_FALSE(event.name.starts_with('.') || event.name.ends_with('.'));
    EXPECT_TRUE(meanings.insert(event.meaning).second) << "the same sentence as another";
    EXPECT_GE(event.meaning.size(), 15U);
    EXPECT_TRUE(event.meaning.ends_with('.'));
    EXPECT_EQ(event.meaning.find('\n'), std::string_view::npos);
  }
}

TEST(Placement, IsStableInRangeAndEven) {
  // Over versions and machines: two workers must never own one account.
  EXPECT_EQ(worker_of("alice@example.org", 1'000'000'007), 401'462'915U);
  EXPECT_EQ(worker_of("", 4), 1U);
  for (const std::size_t workers : {1UL, 2UL, 3UL, 8UL, 64UL}) {
    std::map<std::size_t, int> owned;
    for (int i = 0; i < 6400; ++i) {
      const std::size_t worker = worker_of("user" + std::to_string(i) + "@example.org", workers);
      ASSERT_LT(worker, workers);
      ++owned[worker];
    }
    EXPECT_EQ(owned.size(), workers);
    for (const auto& [worker, count] : owned)
      EXPECT_LT(std::abs(count - static_cast<int>(6400 / workers)), 6400 / 4) << workers;
  }
}

}  // namespace
}  // namespace posthorn
