// Scopes and the pool: what was started is told, waited for and at last closed; a thrown exception
// ends one coroutine only; blocking work runs beside the loop, its values come back to it, and its
// queue has an end.
#include "net/scope.h"

#include <thread>

#include "net/blocking_pool.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

Awaitable<void> session(Scope& scope, StreamPtr stream, bool polite, std::string* said) {
  bool stop = false;
  Stream* raw = stream.get();
  const Scope::Registration registration(scope, *stream, [&stop, raw, polite] {
    stop = true;
    if (polite) raw->close();
  });
  const auto end = co_await read_once(*stream, 10, SteadyTime::max());
  *said += stop ? "told " : "closed ";
  *said += end ? "data" : std::string(to_string(end.error().kind));
}

TEST(Scope, ShutDownTellsThenCloses) {
  for (const bool polite : {true, false}) {
    test::TestLoop loop;
    StreamPair pair = make_pair(loop);
    std::string said;
    Scope scope(loop.executor(), Clock::system());
    scope.spawn(session(scope, std::move(pair.a), polite, &said));
    loop.idle(10ms);
    EXPECT_EQ(scope.running(), 1U);
    EXPECT_FALSE(scope.is_stopping());
    const SteadyTime begin = soon(0ms);
    loop.wait(scope.shut_down(polite ? 10s : 200ms));
    loop.wait(scope.join());
    const auto took = soon(0ms) - begin;
    EXPECT_TRUE(scope.is_stopping());
    EXPECT_EQ(scope.running(), 0U);
    EXPECT_EQ(said, "told closed");
    if (polite) {
      EXPECT_LT(took, 8s);
    } else {
      EXPECT_GE(took, 200ms);
    }
  }
}

TEST(Scope, ShutDownOfNothing) {
  test::TestLoop loop;
  Scope scope(loop.executor(), Clock::system());
  const SteadyTime begin = soon(0ms);
  loop.wait(scope.shut_down(5s));
  loop.wait(scope.join());
  EXPECT_LT(soon(0ms) - begin, 1s);
}

TEST(Scope, ManySessions) {
  test::TestLoop loop;
  Scope scope(loop.executor(), Clock::system());
  std::string said;
  std::vector<StreamPtr> others;
  for (int i = 0; i < 300; ++i) {
    StreamPair pair = make_pair(loop);
    others.push_back(std::move(pair.b));
    scope.spawn(session(scope, std::move(pair.a), i % 2 == 0, &said));
  }
  loop.idle(5ms);
  others.resize(150);  // half of the peers go while the others are told
  loop.wait(scope.shut_down(50ms));
  loop.wait(scope.join());
  EXPECT_EQ(scope.running(), 0U);
}

Awaitable<void> thrower() {
  co_await sleep(1ms);
  throw std::runtime_error("a bug");
}

TEST(Scope, AnExceptionEndsOneCoroutine) {
  test::TestLoop loop;
  static std::string logged;
  logged.clear();
  log::capture([](std::string_view line) { logged += line; });
  loop.scope().spawn(thrower());
  bool done = false;
  struct Other {
    static Awaitable<void> go(bool* flag) {
      co_await sleep(10ms);
      *flag = true;
    }
  };
  loop.scope().spawn(Other::go(&done));
  loop.until([&] { return done && loop.scope().running() == 0; });
  log::capture({});
  EXPECT_NE(logged.find("a bug"), std::string::npos);
}

TEST(BlockingPool, ValuesComeBackToTheLoop) {
  test::TestLoop loop;
  BlockingPool pool(2);
  struct Work {
    static Task<int> go(BlockingPool& threads, std::thread::id* worker, std::thread::id* after) {
      const auto value = co_await threads.run([worker]() -> Result<int> {
        *worker = std::this_thread::get_id();
        return 42;
      });
      *after = std::this_thread::get_id();
      co_return value;
    }
    static Task<int> fails(BlockingPool& threads) {
      co_return co_await threads.run([]() -> Result<int> { throw std::bad_alloc(); });
    }
  };
  std::thread::id worker, after;
  EXPECT_EQ(loop.run(Work::go(pool, &worker, &after)).value(), 42);
  EXPECT_NE(worker, std::this_thread::get_id());
  EXPECT_EQ(after, std::this_thread::get_id());
  const auto failed = loop.run(Work::fails(pool));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::temporary);
  EXPECT_EQ(pool.waiting(), 0U);
  EXPECT_EQ(pool.threads(), 2U);
}

struct Jobs {
  std::atomic<bool> go = false;
  std::atomic<int> ran = 0;
  int good = 0, refused = 0;
};

Awaitable<void> job(BlockingPool& pool, Jobs& jobs) {
  const auto done = co_await pool.run([&jobs]() -> Result<> {
    while (!jobs.go) std::this_thread::yield();
    ++jobs.ran;
    return {};
  });
  ++(done ? jobs.good : jobs.refused);
}

TEST(BlockingPool, ItsQueueIsBounded) {
  test::TestLoop loop;
  BlockingPool pool(2, 10);
  Jobs jobs;
  for (int i = 0; i < 15; ++i) loop.scope().spawn(job(pool, jobs));
  loop.until([&] { return jobs.refused == 5; });
  EXPECT_EQ(pool.waiting(), 10U);
  EXPECT_EQ(jobs.ran, 0);
  jobs.go = true;
  loop.until([&] { return jobs.good == 10; });
  loop.scope().spawn(job(pool, jobs));
  loop.until([&] { return jobs.good == 11; });
  EXPECT_EQ(jobs.ran, 11);
  EXPECT_EQ(jobs.refused, 5);
}

TEST(Event, SetCloseAndDeadline) {
  test::TestLoop loop;
  auto event = std::make_unique<Event>(loop.executor());
  EXPECT_FALSE(loop.wait(event->wait(soon(10ms))));
  event->set();  // nobody waits: it is not kept
  EXPECT_FALSE(loop.wait(event->wait(soon(10ms))));
  struct Waiter {
    static Awaitable<void> go(Event& on, int& woken, int& late) {
      ++(co_await on.wait(soon(5s)) ? woken : late);
    }
  };
  int woken = 0;
  int late = 0;
  for (int i = 0; i < 3; ++i) loop.scope().spawn(Waiter::go(*event, woken, late));
  loop.idle(5ms);
  event->set();
  loop.until([&] { return woken == 3; });
  for (int i = 0; i < 3; ++i) loop.scope().spawn(Waiter::go(*event, woken, late));
  loop.idle(5ms);
  event.reset();  // it goes while others wait
  loop.until([&] { return woken == 6; });
  EXPECT_EQ(late, 0);
  Event closed(loop.executor());
  closed.close();
  EXPECT_TRUE(closed.is_closed());
  EXPECT_TRUE(loop.wait(closed.wait(SteadyTime::max())));
}

}  // namespace
}  // namespace posthorn::net
