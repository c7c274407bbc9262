// Lock: one operation at a time, in the order of asking, for coroutines of one thread. Held by a
// Guard on the coroutine's frame.
#pragma once

#include <deque>

#include "net/task.h"
#include "net/timer.h"

namespace posthorn::store {

class Lock {
 public:
  explicit Lock(net::Executor executor) : executor_(std::move(executor)) {}
  ~Lock();

  class Guard {
   public:
    explicit Guard(Lock& lock) : lock_(&lock) {}
    Guard(Guard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard();

   private:
    Lock* lock_;
  };

  net::Awaitable<Guard> acquire();
  bool is_locked() const { return locked_; }

 private:
  struct Waiter;
  void release();

  net::Executor executor_;
  bool locked_ = false;
  std::deque<Waiter*> waiters_;
};

}  // namespace posthorn::store
