// Scope: the only way to start a coroutine that nobody awaits. It counts what runs, catches what a
// bug throws, and on shutdown closes the streams that registered and waits until every frame has
// unwound.
#pragma once

#include <cstddef>
#include <list>

#include "base/log.h"
#include "net/stream.h"

namespace posthorn::net {

class Scope {
 public:
  // clock: whoever runs in the scope lives by it, and a test may hold it still. It outlives the
  // scope.
  Scope(Executor executor, const Clock& clock);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope();  // ASSERTs that nothing runs any more

  // The coroutine's arguments must be values or outlive the scope.
  void spawn(Awaitable<void> coroutine);

  // While it lives, shut_down() at its limit closes the stream. on_stop is called once when
  // stopping begins (a session that idles uses it to say 421 or BYE); both run on the scope's
  // thread.
  class Registration {
   public:
    Registration(Scope& scope, Stream& stream, std::function<void()> on_stop = {});
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    friend class Scope;
    Scope& scope_;
    Stream& stream_;
    std::function<void()> on_stop_;
    std::list<Registration*>::iterator self_;
  };

  bool is_stopping() const { return stopping_; }
  std::size_t running() const { return running_; }
  const Executor& executor() const { return executor_; }
  const Clock& clock() const { return clock_; }
  // A deadline: so much from now.
  SteadyTime after(std::chrono::milliseconds time) const { return clock_.steady_now() + time; }
  // Tells the registered sessions, waits for them until drain has passed, closes what is left of
  // them.
  Awaitable<void> shut_down(std::chrono::milliseconds drain);
  // Waits until nothing runs any more; who owns acceptors and channels has ended them before.
  Awaitable<void> join();

 private:
  Executor executor_;
  const Clock& clock_;
  std::list<Registration*> registered_;
  std::size_t running_ = 0;
  bool stopping_ = false;
  std::unique_ptr<class ScopeTimer> idle_;  // wakes shut_down when the last one ends
};

}  // namespace posthorn::net
