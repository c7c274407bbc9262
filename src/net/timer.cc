#include "net/timer.h"

#include <algorithm>
#include <asio/experimental/as_tuple.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <vector>

namespace posthorn::net {

Awaitable<void> sleep(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  (void)co_await timer.async_wait(asio::experimental::as_tuple(asio::use_awaitable));
}

struct Event::State {
  struct Waiter {
    asio::steady_timer timer;
    bool woken = false;
  };
  Executor executor;
  std::vector<Waiter*> waiters;
  bool closed = false;

  // The event may go while one waits.
  static Awaitable<bool> wait(std::shared_ptr<State> state, asio::steady_timer timer) {
    if (state->closed) co_return true;
    Waiter waiter{std::move(timer)};
    state->waiters.push_back(&waiter);
    (void)co_await waiter.timer.async_wait(asio::experimental::as_tuple(asio::use_awaitable));
    std::erase(state->waiters, &waiter);
    co_return waiter.woken;
  }

  void wake() {
    for (Waiter* waiter : waiters) {
      waiter->woken = true;
      waiter->timer.cancel();
    }
    waiters.clear();
  }
};

Event::Event(Executor executor) : state_(std::make_shared<State>()) {
  state_->executor = std::move(executor);
}

Event::~Event() {
  close();
}

void Event::set() {
  state_->wake();
}

void Event::close() {
  state_->closed = true;
  state_->wake();
}

bool Event::is_closed() const {
  return state_->closed;
}

Awaitable<bool> Event::wait(SteadyTime deadline) {
  return State::wait(state_, asio::steady_timer(state_->executor, deadline));
}

Awaitable<bool> Event::wait_for(std::chrono::milliseconds time) {
  return State::wait(state_, asio::steady_timer(state_->executor, time));
}

}  // namespace posthorn::net
