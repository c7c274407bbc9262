// The spam stage against a spamd that fails in every way it can: what is not a whole, true answer
// is an Error, in bounded time and memory, and never a verdict; what is taken from an answer can
// neither end the header nor act on who reads it; the message's own bytes are only read.
#include "filter/filter.h"

#include <filesystem>
#include <gmock/gmock.h>

#include "tests/support/fake_spamd.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::filter {
namespace {

using test::ClosedPort;
using test::FakeServer;
using test::FakeSpamd;
using test::SilentPort;
using test::Wire;
using ::testing::HasSubstr;

const std::string kMail = "Subject: x\r\n\r\nbody \x80\xFF.\r\n.\r\n";

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

class FilterTest : public ::testing::Test {
 protected:
  FilterTest() { config_.timeout = 400ms; }

  Scan scan(std::string_view mail = kMail) {
    const Path file = folder_.write("mail", "head" + std::string(mail) + "tail");
    return {.file = file, .offset = 4, .size = mail.size(), .recipient = "bob@example.org"};
  }
  Result<Verdict> ask(const net::Address& spamd, Scan what) {
    Filter filter(loop_.scope(), loop_.pool(), config_, spamd);
    auto verdict = loop_.run(filter.scan(std::move(what)));
    end(filter);
    return verdict;
  }
  Result<Verdict> ask(const net::Address& spamd) { return ask(spamd, scan()); }
  void end(Filter& filter) {
    filter.stop();
    loop_.until([this] { return loop_.scope().running() == 0; });
  }

  test::TempFolder folder_;
  config::Filter config_;
  test::TestLoop loop_;
};

const std::string kHeaders =
    "Received: from a\r\nX-Spam-Flag: YES\r\nX-Spam-Status: Yes, "
    "score=15.3\r\n\ttests=A,\r\n\tB\r\n"
    "Subject: x\r\n\r\n";

TEST_F(FilterTest, Verdicts) {
  const std::string taken =
      "X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=15.3\r\n\ttests=A,\r\n\tB\r\n";
  for (const Path& path : {Path(), folder_.path() / "spamd.sock"}) {
    FakeSpamd spamd(
        [](Wire& wire, const FakeSpamd::Request&) {
          wire.say(FakeSpamd::reply("True ; 15.3 / 5.0", kHeaders));
        },
        path);
    const auto verdict = ask(spamd.address());
    ASSERT_TRUE(verdict) << verdict.error().what;
    EXPECT_TRUE(verdict->is_spam);
    EXPECT_THAT(verdict->score, HasSubstr("15.3"));
    EXPECT_EQ(verdict->headers, taken);
    ASSERT_EQ(spamd.requests().size(), 1U);
    EXPECT_EQ(spamd.requests()[0].head,
              "HEADERS SPAMC/1.5\r\nContent-length: " + std::to_string(kMail.size()) +
                  "\r\nUser: bob@example.org\r\n");
    EXPECT_EQ(spamd.requests()[0].body, kMail);
  }
  FakeSpamd ham([](Wire& wire, const FakeSpamd::Request&) {
    wire.say(FakeSpamd::reply("False ; -1.0 / 5.0", "X-Spam-Status: No\r\n\r\n"));
  });
  const auto verdict = ask(ham.address());
  ASSERT_TRUE(verdict);
  EXPECT_FALSE(verdict->is_spam);
}

TEST_F(FilterTest, NobodyThere) {
  const ClosedPort closed;
  const SilentPort silent;
  const net::Address rows[] = {
      net::TcpAddress{"127.0.0.1", closed.port()}, net::TcpAddress{"127.0.0.1", silent.port()},
      net::UnixAddress{folder_.path() / "nobody.sock"}, net::UnixAddress{folder_.path()}};
  for (const net::Address& address : rows) {
    const SteadyTime begin = Clock::system().steady_now();
    const auto verdict = ask(address);
    ASSERT_FALSE(verdict) << net::to_string(address);
    EXPECT_EQ(verdict.error().kind, ErrorKind::temporary) << verdict.error().what;
    EXPECT_LT(Clock::system().steady_now() - begin, 5s);
  }
}

void drip(Wire& wire, std::string_view text) {
  for (const char c : text)
    if (!wire.say(std::string_view(&c, 1)) || !wire.pause(20ms)) return;
}

TEST_F(FilterTest, Faults) {
  const std::string good = FakeSpamd::reply("True ; 9 / 5", kHeaders);
  struct Row {
    std::string name;
    FakeSpamd::Answer answer;
    bool quick = true;
  };
  const auto text = [](std::string said) {
    return [said = std::move(said)](Wire& wire, const FakeSpamd::Request&) { wire.say(said); };
  };
  const auto with_length = [&](const std::string& length) {
    return text("SPAMD/1.1 0 EX_OK\r\nContent-length: " + length +
                "\r\nSpam: True ; 9 / 5\r\n\r\n" + kHeaders);
  };
  const Row rows[] = {
      {"closes", [](Wire& wire, const FakeSpamd::Request&) { wire.close(); }},
      {"resets", [](Wire& wire, const FakeSpamd::Request&) { wire.reset(); }},
      {"hangs", [](Wire& wire, const FakeSpamd::Request&) { wire.stall(); }, false},
      {"garbage", text(std::string(1000, '\xFF'))},
      {"zeros", text(std::string(1000, '\0'))},
      {"HTTP", text("HTTP/1.1 400 Bad Request\r\n\r\n")},
      {"error code", text("SPAMD/1.0 76 Bad header line: x\r\n")},
      {"no code", text("SPAMD/1.1\r\n\r\n")},
      {"only a line", text("SPAMD/1.1 0 EX_OK\r\n")},
      {"no end of its fields", text("SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\n")},
      {"huge", text("SPAMD/1.1 0 EX_OK\r\n\r\n" + std::string(3U << 20U, 'x'))},
      {"an endless status", text("SPAMD/1.1 0 " + std::string(3U << 20U, 'x'))},
      {"an endless score",
       text("SPAMD/1.1 0 EX_OK\r\nSpam: True ; " + std::string(3U << 20U, '9') + "\r\n\r\n")},
      {"an answer that never ends",
       [](Wire& wire, const FakeSpamd::Request&) {
         const std::string more(65'536, '8');
         while (wire.say(more)) {
         }
       }},
      {"one byte at a time", [&](Wire& wire, const FakeSpamd::Request&) { drip(wire, good); },
       false},
      {"says all and stays",
       [&](Wire& wire, const FakeSpamd::Request&) {
         wire.say(good.substr(0, good.size() - 10));
         wire.stall();
       },
       false},
      {"cut in its fields", text(good.substr(0, 40))},
      {"cut in the headers", text(good.substr(0, good.size() - 9))},
      {"more than its length", text(good + "X-Spam-More: 1\r\n")},
      {"length 0", with_length("0")},
      {"length too small", with_length("17")},
      {"length too big", with_length("99999")},
      {"length negative", with_length("-1")},
      {"length a word", with_length("many")},
      {"length with letters behind it", with_length(std::to_string(kHeaders.size()) + "x")},
      {"length beyond 64 bits", with_length("99999999999999999999999999")},
      {"length twice", with_length(std::to_string(kHeaders.size()) + "\r\nContent-length: 3")},
  };
  struct Try {
    Try(test::TestLoop& loop, const config::Filter& config, const Row& row)
        : spamd(row.answer), filter(loop.scope(), loop.pool(), config, spamd.address()) {}
    FakeSpamd spamd;
    Filter filter;
    std::optional<Result<Verdict>> verdict;
    SteadyTime end{};
    static net::Awaitable<void> go(Try& self, Scan what) {
      self.verdict.emplace(co_await self.filter.scan(std::move(what)));
      self.end = Clock::system().steady_now();
    }
  };
  const SteadyTime begin = Clock::system().steady_now();
  std::vector<std::unique_ptr<Try>> tries;
  for (const Row& row : rows) {
    tries.push_back(std::make_unique<Try>(loop_, config_, row));
    loop_.scope().spawn(Try::go(*tries.back(), scan()));
  }
  loop_.until([&] {
    return std::ranges::all_of(tries, [](const auto& one) { return one->verdict.has_value(); });
  });
  for (std::size_t i = 0; i < tries.size(); ++i) {
    SCOPED_TRACE(rows[i].name);
    const auto& verdict = *tries[i]->verdict;
    const auto took = tries[i]->end - begin;
    EXPECT_LT(took, 4s);
    if (!rows[i].quick) {
      EXPECT_GE(took, 390ms);
    }
    EXPECT_FALSE(verdict) << verdict->headers.substr(0, 100);
    if (verdict) continue;
    EXPECT_TRUE(verdict.error().kind == ErrorKind::temporary ||
                verdict.error().kind == ErrorKind::timeout)
        << verdict.error().what;
    EXPECT_LT(verdict.error().what.size(), 400U);
    tries[i]->filter.stop();
  }
  loop_.until([this] { return loop_.scope().running() == 0; });
}

// It goes or hangs before it has read the request.
TEST_F(FilterTest, ItDoesNotRead) {
  const std::string big(4U << 20U, 'm');
  config_.message_max = 8U << 20U;
  FakeServer deaf([](Wire& wire, std::size_t) {
    while (wire.pause(50ms)) {
    }
  });
  EXPECT_FALSE(ask(deaf.address(), scan(big)));
  FakeServer rude([](Wire& wire, std::size_t) {
    (void)wire.line();
    wire.reset();
  });
  EXPECT_FALSE(ask(rude.address(), scan(big)));
  // Says that it is full and closes, as spamd does at --max-children.
  FakeServer full([](Wire& wire, std::size_t) { wire.say("SPAMD/1.0 75 busy\r\n"); });
  EXPECT_FALSE(ask(full.address(), scan(big)));
}

TEST_F(FilterTest, WhatIsTakenIsHarmless) {
  const std::string evil =
      "X-Spam-A: one\rX-Evil: cr\r\n"
      "X-Spam-B: \x1B[31mred\x7F\r\n" +
      std::string("X-Spam-C: nul\0nul\r\n", 19) +
      "X-Spam-D: latin \xE4\xF6\xFF and utf-8 \xC3\xA4\r\n"
      "X-Evil: plain\r\n"
      " X-Spam-E: a continuation of what was not taken\r\n"
      "X-Spam-NoColon\r\n"
      "x-spam-lower: yes\r\n"
      "X-Spam-Long: " +
      std::string(100'000, 'l') +
      "\r\n"
      "X-Spam-G: bare\nX-Spam-H: line feed\r\n"
      "\r\n"
      "X-Spam-Body: not a header\r\n";
  FakeSpamd spamd([&](Wire& wire, const FakeSpamd::Request&) {
    wire.say(FakeSpamd::reply("Yes ; 1\r2\x1B[0m\xFF / 5", evil));
  });
  const auto verdict = ask(spamd.address());
  ASSERT_TRUE(verdict) << verdict.error().what;
  EXPECT_TRUE(verdict->is_spam);
  const std::string& headers = verdict->headers;
  EXPECT_THAT(headers, HasSubstr("X-Spam-A: one?X-Evil: cr\r\n"));
  EXPECT_THAT(headers, HasSubstr("X-Spam-C: nul?nul\r\n"));
  EXPECT_THAT(headers, HasSubstr("x-spam-lower: yes\r\n"));
  EXPECT_THAT(headers, HasSubstr("X-Spam-G: bare\r\nX-Spam-H: line feed\r\n"));
  for (const char* absent : {"\nX-Evil", "X-Spam-E", "NoColon", "X-Spam-Body", "\r\n\r\n"})
    EXPECT_EQ(headers.find(absent), std::string::npos) << absent;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const char c = headers[i];
    const bool end = (c == '\r' && i + 1 < headers.size() && headers[i + 1] == '\n') ||
                     (c == '\n' && i > 0 && headers[i - 1] == '\r');
    ASSERT_TRUE(end || c == '\t' || (c >= 0x20 && c < 0x7F)) << i << " " << int{c};
  }
  for (std::size_t at = 0; at < headers.size();) {
    const std::size_t next = headers.find("\r\n", at);
    ASSERT_NE(next, std::string::npos);
    ASSERT_LE(next - at, 998U);  // RFC 5322 section 2.1.1
    at = next + 2;
  }
  for (const char c : verdict->score) EXPECT_TRUE(c >= 0x20 && c < 0x7F);
}

// Very many fields: a bounded part of them is taken, whole lines only.
TEST_F(FilterTest, VeryManyFields) {
  std::string headers;
  for (int i = 0; i < 20'000; ++i) headers += "X-Spam-N: " + std::to_string(i) + "\r\n";
  FakeSpamd spamd([&](Wire& wire, const FakeSpamd::Request&) {
    wire.say(FakeSpamd::reply("False ; 0 / 5", headers));
  });
  const auto verdict = ask(spamd.address());
  ASSERT_TRUE(verdict);
  EXPECT_LT(verdict->headers.size(), 70'000U);
  EXPECT_TRUE(verdict->headers.ends_with("\r\n"));
}

TEST_F(FilterTest, UserCannotAddFields) {
  FakeSpamd spamd([](Wire& wire, const FakeSpamd::Request&) {
    wire.say(FakeSpamd::reply("False ; 0 / 5", "\r\n"));
  });
  Scan what = scan();
  what.recipient = "a\r\nContent-length: 1\r\n\r\n@x\n\x1B";
  ASSERT_TRUE(ask(spamd.address(), what));
  EXPECT_EQ(spamd.requests()[0].body, kMail);
  config_.user = "site";
  ASSERT_TRUE(ask(spamd.address(), what));
  EXPECT_THAT(spamd.requests()[1].head, HasSubstr("\r\nUser: site\r\n"));
}

TEST_F(FilterTest, LargeOnesAreSkipped) {
  FakeSpamd spamd([](Wire& wire, const FakeSpamd::Request&) {
    wire.say(FakeSpamd::reply("False ; 0 / 5", "\r\n"));
  });
  config_.message_max = 1000;
  config_.timeout = 5s;
  const auto small = ask(spamd.address(), scan(std::string(1000, 'x')));
  ASSERT_TRUE(small);
  EXPECT_EQ(spamd.connections(), 1U);
  const auto large = ask(spamd.address(), scan(std::string(1001, 'x')));
  ASSERT_TRUE(large);
  EXPECT_FALSE(large->is_spam);
  EXPECT_EQ(large->headers, "X-Spam-Status: unknown, reason=size\r\n");
  EXPECT_EQ(spamd.connections(), 1U);

  config_.message_max = 8U << 20U;
  const std::string big(3U << 20U, 'b');
  ASSERT_TRUE(ask(spamd.address(), scan(big)));
  EXPECT_EQ(spamd.requests().back().body, big);
}

TEST_F(FilterTest, SpoolFileThatIsShort) {
  FakeSpamd spamd([](Wire& wire, const FakeSpamd::Request&) { wire.stall(); });
  Scan what = scan();
  what.size = 5000;
  EXPECT_FALSE(ask(spamd.address(), what));
  what.file = folder_.path() / "nothing";
  EXPECT_FALSE(ask(spamd.address(), what));
  EXPECT_TRUE(spamd.requests().empty());
}

net::Awaitable<void> scan_one(Filter& filter, Scan what, int& good, int& done) {
  const auto verdict = co_await filter.scan(std::move(what));
  good += verdict ? 1 : 0;
  ++done;
}

TEST_F(FilterTest, OnlySoManyAtATime) {
  FakeSpamd spamd([](Wire& wire, const FakeSpamd::Request&) {
    wire.pause(30ms);
    wire.say(FakeSpamd::reply("False ; 0 / 5", "\r\n"));
  });
  config_.concurrency_max = 3;
  config_.timeout = 10s;
  Filter filter(loop_.scope(), loop_.pool(), config_, spamd.address());
  int good = 0;
  int done = 0;
  const Scan what = scan();
  std::size_t descriptors = 0;
  for (int round = 1; round <= 2; ++round) {
    for (int i = 0; i < 24; ++i) loop_.scope().spawn(scan_one(filter, what, good, done));
    loop_.until([&] { return done == 24 * round && spamd.open() == 0; });
    // The first round opened what stays; the second leaves nothing behind.
    if (round == 2) {
      EXPECT_LE(open_descriptors(), descriptors);
    }
    descriptors = open_descriptors();
  }
  EXPECT_EQ(good, 48);
  // A served connection may still end on its thread while the next begins.
  EXPECT_LE(spamd.open_max(), 5U);
  EXPECT_GE(spamd.open_max(), 2U);
  end(filter);
}

TEST_F(FilterTest, AfterManyFailuresItIsLeftAlone) {
  std::atomic<bool> ill = true;
  FakeSpamd spamd([&](Wire& wire, const FakeSpamd::Request&) {
    if (!ill) wire.say(FakeSpamd::reply("False ; 0 / 5", "\r\n"));
  });
  Filter filter(loop_.scope(), loop_.pool(), config_, spamd.address());
  for (int i = 0; i < 30; ++i) EXPECT_FALSE(loop_.run(filter.scan(scan())));
  EXPECT_EQ(spamd.connections(), 10U);
  ill = false;
  const auto early = loop_.run(filter.scan(scan()));
  ASSERT_FALSE(early);
  EXPECT_THAT(early.error().what, HasSubstr("left alone"));
  end(filter);
}

// One failure between successes breaks nothing.
TEST_F(FilterTest, SuccessesForgiveFailures) {
  std::atomic<int> number = 0;
  FakeSpamd spamd([&](Wire& wire, const FakeSpamd::Request&) {
    if (++number % 5 == 0) wire.say(FakeSpamd::reply("False ; 0 / 5", "\r\n"));
  });
  Filter filter(loop_.scope(), loop_.pool(), config_, spamd.address());
  for (int i = 0; i < 40; ++i) (void)loop_.run(filter.scan(scan()));
  EXPECT_EQ(spamd.connections(), 40U);
  end(filter);
}

TEST_F(FilterTest, StopEndsWhatIsUnderWay) {
  config_.timeout = 1min;
  config_.concurrency_max = 2;
  FakeSpamd spamd([](Wire& wire, const FakeSpamd::Request&) { wire.stall(); });
  Filter filter(loop_.scope(), loop_.pool(), config_, spamd.address());
  int good = 0;
  int done = 0;
  const Scan what = scan();
  for (int i = 0; i < 5; ++i) loop_.scope().spawn(scan_one(filter, what, good, done));
  loop_.until([&] { return spamd.requests().size() == 2; });
  filter.stop();
  loop_.until([&] { return done == 5; });
  EXPECT_EQ(good, 0);
  loop_.until([&] { return loop_.scope().running() == 0; });
}

}  // namespace
}  // namespace posthorn::filter
