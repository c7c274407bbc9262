// Waiting: sleep() and an Event that one coroutine sets and others wait for.
#pragma once

#include <memory>

#include "base/clock.h"
#include "net/task.h"

namespace posthorn::net {

Awaitable<void> sleep(std::chrono::milliseconds time);

// Auto-reset for nobody: set() wakes all who wait now; wait() returns true if woken, false at the
// deadline. close() wakes all for good (shutdown).
class Event {
 public:
  explicit Event(Executor executor);
  ~Event();
  void set();
  void close();
  bool is_closed() const;
  Awaitable<bool> wait(SteadyTime deadline);
  // The same, so much from now by the machine's timers: for who paces itself and has no clock.
  Awaitable<bool> wait_for(std::chrono::milliseconds time);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
