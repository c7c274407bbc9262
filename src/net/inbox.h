// Inbox: texts that any thread leaves and one coroutine of the loop takes, in order and within a
// bound. Leaving one never waits; beyond the bound the oldest are dropped and counted.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "net/timer.h"

namespace posthorn::net {

class Inbox {
 public:
  Inbox(Executor executor, std::size_t bytes_max);
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  void put(std::string text);  // on any thread
  bool is_empty() const;
  // The oldest, as many as fit into so many bytes, but one at least if there is any. How much one
  // needs: its size, and two bytes for each line end.
  std::deque<std::string> take(std::size_t bytes_max);
  std::uint64_t take_dropped();  // how many since it was last asked

  // Until something is there, or then, or end() was called.
  Awaitable<void> wait(SteadyTime until = SteadyTime::max());
  // So long, or until end() was called.
  Awaitable<void> pause(std::chrono::milliseconds time);
  void end();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
