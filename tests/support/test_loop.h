// Runs a Task to its end on an event loop of the test's own, with a hard deadline: what hangs is
// ended with a message instead of the test's patience. Owns the loop, a Scope and a BlockingPool,
// and unwinds every coroutine before it goes.
#pragma once

#include <asio/io_context.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <optional>

#include "net/blocking_pool.h"
#include "net/scope.h"

namespace posthorn::test {

inline SteadyTime soon(std::chrono::milliseconds time) {
  return Clock::system().steady_now() + time;
}

class TestLoop {
 public:
  TestLoop() : scope_(io_.get_executor(), Clock::system()), pool_(2) {
    std::signal(SIGPIPE, SIG_IGN);
  }
  ~TestLoop() {
    until([this] { return scope_.running() == 0; });
    pool_.join();
  }
  TestLoop(const TestLoop&) = delete;
  TestLoop& operator=(const TestLoop&) = delete;

  // The coroutine's value; it may fail, that is for the test to judge.
  template <class T>
  Result<T> run(net::Task<T> work, std::chrono::milliseconds limit = 20s) {
    std::optional<Result<T>> result;
    scope_.spawn(keep(std::move(work), result));
    until([&] { return result.has_value(); }, limit);
    return *std::move(result);
  }
  template <class T>
    requires(!std::is_void_v<T>)
  T wait(net::Awaitable<T> work, std::chrono::milliseconds limit = 20s) {
    std::optional<T> value;
    scope_.spawn(keep_value(std::move(work), value));
    until([&] { return value.has_value(); }, limit);
    return *std::move(value);
  }
  void wait(net::Awaitable<void> work, std::chrono::milliseconds limit = 20s) {
    bool done = false;
    scope_.spawn(mark(std::move(work), done));
    until([&] { return done; }, limit);
  }
  // Turns the loop until it holds; a test that never gets there is a hang, and is stopped.
  void until(const std::function<bool()>& holds, std::chrono::milliseconds limit = 20s) {
    const SteadyTime end = soon(limit);
    while (!holds()) {
      if (io_.stopped()) io_.restart();
      io_.run_one_until(std::min(end, soon(50ms)));
      if (Clock::system().steady_now() < end) continue;
      std::fprintf(stderr, "the test's deadline of %lld ms passed\n",
                   static_cast<long long>(limit.count()));
      std::abort();
    }
  }
  // Turns the loop for a time, for what must not happen in it.
  void idle(std::chrono::milliseconds time) {
    const SteadyTime end = soon(time);
    until([&] { return Clock::system().steady_now() >= end; });
  }

  asio::io_context& io() { return io_; }
  net::Executor executor() { return io_.get_executor(); }
  net::Scope& scope() { return scope_; }
  net::BlockingPool& pool() { return pool_; }

 private:
  template <class T>
  static net::Awaitable<void> keep(net::Task<T> work, std::optional<Result<T>>& result) {
    result.emplace(co_await std::move(work));
  }
  template <class T>
  static net::Awaitable<void> keep_value(net::Awaitable<T> work, std::optional<T>& value) {
    value.emplace(co_await std::move(work));
  }
  static net::Awaitable<void> mark(net::Awaitable<void> work, bool& done) {
    co_await std::move(work);
    done = true;
  }

  asio::io_context io_;
  net::Scope scope_;
  net::BlockingPool pool_;
};

}  // namespace posthorn::test
