// What a role tells comes to be kept, in order and once, whatever happens to the trail meanwhile;
// and no role is believed beyond what it may say.
#include "trail/desk.h"

#include <gmock/gmock.h>

#include "base/events.h"
#include "net/listener.h"
#include "tests/support/captured_log.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"
#include "trail/teller.h"

namespace posthorn::trail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DeskTest : public ::testing::Test {
 protected:
  Desk::Options options(std::uint64_t free_min = 0) const {
    return {.folder = folder_.path(), .free_min = free_min};
  }
  std::string record(const log::Event& event, std::string_view queue_id = "Q1") {
    return format_record(WallTime(1'000'000s), event, "S", queue_id, {{"to", "b@y"}});
  }
  std::string tell(Desk& desk, std::string_view source, log::Senders senders,
                   const std::vector<std::string>& records) {
    net::Message request("tell");
    for (const std::string& text : records) request.add("r", text);
    return loop_.wait(desk.take(source, senders, std::move(request))).verb;
  }
  net::Message ask(Desk& desk, net::Message request) {
    return loop_.wait(desk.answer(std::move(request)));
  }
  // A role outlives what it has begun.
  void end(Desk& desk) {
    desk.stop();
    loop_.until([this] { return loop_.scope().running() == 0; });
  }
  bool has_logged(std::string_view event) const { return log_.count(event) > 0; }
  std::string kept(Desk& desk) {
    return std::string(ask(desk, net::Message("status")).get("records"));
  }

  test::CapturedLog log_;
  test::TempFolder folder_;
  test::TestLoop loop_;
};

TEST_F(DeskTest, ARoleIsBelievedWhatItMaySay) {
  Desk desk(loop_.scope(), loop_.pool(), options());
  loop_.wait(desk.start());
  EXPECT_EQ(tell(desk, "queue", log::kQueue, {record(event::queue_delivered)}), "ok");
  EXPECT_EQ(tell(desk, "edge", log::kEdge, {record(event::queue_delivered)}), "refused");
  EXPECT_EQ(tell(desk, "store", log::kStore,
                 {record(event::store_delivered), "rubbish", record(event::queue_bounced)}),
            "ok");
  EXPECT_EQ(tell(desk, "queue", log::kQueue, {record(event::role_started)}), "refused");
  EXPECT_EQ(kept(desk), "2");
  const net::Message life = ask(desk, net::Message("mail").add("id", "Q1"));
  EXPECT_THAT(life.all("source"), ElementsAre("queue", "store"));
  EXPECT_TRUE(has_logged("event=trail.forged"));
  EXPECT_EQ(ask(desk, net::Message("drop")).verb, "refused");
  end(desk);
}

TEST_F(DeskTest, AFullDiskPausesItAndNothingElse) {
  Desk full(loop_.scope(), loop_.pool(), options(std::uint64_t{1} << 60U));
  loop_.wait(full.start());
  EXPECT_EQ(tell(full, "queue", log::kQueue, {record(event::queue_delivered)}), "temporary");
  EXPECT_THAT(full.paused(), HasSubstr("free"));
  EXPECT_EQ(kept(full), "0");
  end(full);
}

TEST_F(DeskTest, ADamagedDatabaseIsPutAside) {
  folder_.write("trail.db", std::string(8192, 'x'));
  Desk desk(loop_.scope(), loop_.pool(), options());
  loop_.wait(desk.start());
  EXPECT_EQ(tell(desk, "queue", log::kQueue, {record(event::queue_delivered)}), "ok");
  EXPECT_EQ(kept(desk), "1");
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "trail.db.damaged"));
  EXPECT_TRUE(has_logged("event=trail.replaced"));
  end(desk);
}

TEST_F(DeskTest, ADatabaseThatIsRemovedIsBegunAnew) {
  Desk::Options often = options();
  often.clean_every = 5ms;
  Desk desk(loop_.scope(), loop_.pool(), often);
  loop_.wait(desk.start());
  EXPECT_EQ(tell(desk, "queue", log::kQueue, {record(event::queue_delivered)}), "ok");
  std::filesystem::remove(folder_.path() / "trail.db");
  loop_.until([&] { return has_logged("event=trail.replaced"); });
  loop_.until([&] { return kept(desk) == "0"; });
  EXPECT_EQ(tell(desk, "queue", log::kQueue, {record(event::queue_delivered)}), "ok");
  EXPECT_EQ(kept(desk), "1");
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "trail.db"));
  end(desk);
}

TEST_F(DeskTest, ALongLifeComesInPieces) {
  Desk desk(loop_.scope(), loop_.pool(), options());
  loop_.wait(desk.start());
  const std::string text = format_record(WallTime(1s), event::queue_deferred, "S", "Q1",
                                         {{"reply", std::string(900, 'x')}});
  for (int i = 0; i < 10; ++i)
    ASSERT_EQ(tell(desk, "queue", log::kQueue, std::vector<std::string>(20, text)), "ok");
  std::size_t count = 0, pieces = 0;
  std::string after = "0";
  while (!after.empty() && ++pieces < 100) {
    const net::Message life = ask(desk, net::Message("mail").add("id", "Q1").add("after", after));
    count += life.all("r").size();
    EXPECT_LT(net::format_message("1", life).size(), net::kLineMax);
    after = life.get("more");
  }
  EXPECT_EQ(count, 200U);
  EXPECT_GT(pieces, 2U);
  end(desk);
}

// A teller and a desk with the socket between them.
class TellerTest : public DeskTest {
 protected:
  net::UnixAddress socket() const { return {folder_.path() / "trail-queue.sock"}; }
  std::unique_ptr<net::Listener> listen(Desk& desk, log::Senders senders = log::kQueue) {
    std::filesystem::remove(socket().path);
    auto bound = net::bind_socket(socket(), {.mode = 0600});
    EXPECT_TRUE(bound);
    auto listener = std::make_unique<net::Listener>(
        loop_.scope(), *std::move(bound), net::Listener::Options{.name = "trail"},
        [this, &desk, senders](net::StreamPtr stream) {
          return net::serve_lines(loop_.scope(), std::move(stream),
                                  [&desk, senders](net::Message request) {
                                    return desk.take("queue", senders, std::move(request));
                                  });
        });
    listener->start();
    return listener;
  }
  void say(Teller& teller, int from, int count) {
    for (int i = from; i < from + count; ++i)
      teller.take(event::queue_delivered, "S", "Q" + std::to_string(i), {{"to", "b@y"}});
  }
  static constexpr TellerLimits kFast{.pause = 5ms, .retry_min = 10ms, .retry_max = 20ms};
};

TEST_F(TellerTest, WhatIsToldWhileTheTrailIsAwayComesLater) {
  Desk desk(loop_.scope(), loop_.pool(), options());
  loop_.wait(desk.start());
  Teller teller(loop_.scope(), log::kQueue, socket(), kFast);
  teller.start();
  say(teller, 0, 500);
  loop_.idle(50ms);
  auto listener = listen(desk);
  loop_.until([&] { return kept(desk) == "500"; });
  say(teller, 500, 20);
  loop_.wait(teller.stop());
  loop_.until([&] { return kept(desk) == "520"; });  // said by now, and kept in its own time
  listener->stop();
  end(desk);
}

TEST_F(TellerTest, BeyondItsBoundTheOldestAreDroppedAndCounted) {
  Desk desk(loop_.scope(), loop_.pool(), options());
  loop_.wait(desk.start());
  TellerLimits limits = kFast;
  limits.waiting_max = 10'000;
  Teller teller(loop_.scope(), log::kQueue, socket(), limits);
  say(teller, 0, 1000);
  auto listener = listen(desk);
  teller.start();
  loop_.until([&] { return !ask(desk, net::Message("mail").add("id", "Q999")).get("r").empty(); });
  EXPECT_TRUE(ask(desk, net::Message("mail").add("id", "Q0")).get("r").empty());
  EXPECT_TRUE(has_logged("event=trail.dropped"));
  loop_.wait(teller.stop());
  listener->stop();
  end(desk);
}

// Each login that was refused is told or counted, and the last of them at the latest at the end.
TEST_F(TellerTest, AFloodIsBoundedAndCounted) {
  Desk desk(loop_.scope(), loop_.pool(), options());
  loop_.wait(desk.start());
  auto listener = listen(desk, log::kLookup);
  Teller teller(loop_.scope(), log::kLookup, socket(), kFast);
  teller.start();
  for (int i = 0; i < 500; ++i)
    teller.take(event::auth_failed, "S", "-", {{"user", "alice"}, {"address", "192.0.2.1"}});
  teller.take(event::auth_succeeded, "S", "-", {{"account", "alice"}, {"address", "192.0.2.1"}});
  loop_.wait(teller.stop());
  EXPECT_EQ(kept(desk), "5");
  listener->stop();
  end(desk);
}

TEST_F(TellerTest, ManyThreadsMayLog) {
  Desk desk(loop_.scope(), loop_.pool(), options());
  loop_.wait(desk.start());
  auto listener = listen(desk);
  Teller teller(loop_.scope(), log::kQueue, socket(), kFast);
  teller.start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&, t] { say(teller, t * 100, 100); });
  for (std::thread& thread : threads) thread.join();
  loop_.until([&] { return kept(desk) == "400"; });
  loop_.wait(teller.stop());
  listener->stop();
  end(desk);
}

}  // namespace
}  // namespace posthorn::trail
