#include "net/scope.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <exception>

#include "base/assert.h"
#include "base/events.h"
#include "net/timer.h"

namespace posthorn::net {

class ScopeTimer {
 public:
  explicit ScopeTimer(Executor executor) : idle(std::move(executor)) {}
  Event idle;
};

namespace {

// The one place where a spawned coroutine's exception ends.
Awaitable<void> guard(Awaitable<void> coroutine, std::size_t* running, Event* idle) {
  try {
    co_await std::move(coroutine);
  } catch (const std::exception& error) {
    log::Logger{}.error(event::coroutine_threw, {{"error", error.what()}});
  }
  if (--*running == 0) idle->set();
}

}  // namespace

Scope::Scope(Executor executor, const Clock& clock)
    : executor_(std::move(executor)),
      clock_(clock),
      idle_(std::make_unique<ScopeTimer>(executor_)) {}

Scope::~Scope() {
  ASSERT(running_ == 0);
}

void Scope::spawn(Awaitable<void> coroutine) {
  ++running_;
  asio::co_spawn(executor_, guard(std::move(coroutine), &running_, &idle_->idle), asio::detached);
}

Scope::Registration::Registration(Scope& scope, Stream& stream, std::function<void()> on_stop)
    : scope_(scope), stream_(stream), on_stop_(std::move(on_stop)) {
  self_ = scope_.registered_.insert(scope_.registered_.end(), this);
}

Scope::Registration::~Registration() {
  scope_.registered_.erase(self_);
}

// The machine's timers wake who waits here, so its clock is asked, whatever clock the scope has.
Awaitable<void> Scope::shut_down(std::chrono::milliseconds drain) {
  stopping_ = true;
  const SteadyTime limit = Clock::system().steady_now() + drain;
  const std::list<Registration*> told = registered_;
  for (Registration* session : told)
    if (session->on_stop_) session->on_stop_();
  while (!registered_.empty() && Clock::system().steady_now() < limit)
    co_await idle_->idle.wait(std::min(limit, Clock::system().steady_now() + 20ms));
  const SteadyTime end = Clock::system().steady_now() + 10s;
  while (!registered_.empty() && Clock::system().steady_now() < end) {
    for (Registration* session : registered_) session->stream_.close();
    co_await idle_->idle.wait(Clock::system().steady_now() + 20ms);
  }
}

Awaitable<void> Scope::join() {
  const SteadyTime end = Clock::system().steady_now() + 30s;
  while (running_ > 0 && Clock::system().steady_now() < end)
    co_await idle_->idle.wait(Clock::system().steady_now() + 20ms);
}

}  // namespace posthorn::net
