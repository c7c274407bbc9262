#include "store/lock.h"

#include "base/assert.h"

namespace posthorn::store {

struct Lock::Waiter {
  explicit Waiter(net::Executor executor) : event(std::move(executor)) {}
  net::Event event;
  bool has_lock = false;
};

Lock::~Lock() {
  ASSERT(waiters_.empty());
}

Lock::Guard::~Guard() {
  if (lock_ != nullptr) lock_->release();
}

net::Awaitable<Lock::Guard> Lock::acquire() {
  if (!locked_) {
    locked_ = true;
    co_return Guard(*this);
  }
  Waiter waiter(executor_);
  waiters_.push_back(&waiter);
  while (!waiter.has_lock)
    co_await waiter.event.wait(std::chrono::steady_clock::now() + std::chrono::hours(24));
  co_return Guard(*this);
}

void Lock::release() {
  if (waiters_.empty()) {
    locked_ = false;
    return;
  }
  // The lock goes from hand to hand, so nobody can come in between.
  Waiter* next = waiters_.front();
  waiters_.pop_front();
  next->has_lock = true;
  next->event.set();
}

}  // namespace posthorn::store
