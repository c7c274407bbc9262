#include "net/inbox.h"

#include <algorithm>
#include <asio/post.hpp>
#include <mutex>
#include <utility>

namespace posthorn::net {
namespace {

std::size_t needed_for(const std::string& text) {
  return text.size() + static_cast<std::size_t>(std::ranges::count(text, '\n')) + 4;
}

}  // namespace

struct Inbox::State {
  State(Executor at, std::size_t max) : executor(std::move(at)), bytes_max(max), wake(executor) {}

  // Under the lock.
  void drop_oldest() {
    while (bytes > bytes_max && !texts.empty()) {
      bytes -= texts.front().size();
      texts.pop_front();
      ++dropped;
    }
  }

  const Executor executor;
  const std::size_t bytes_max;
  Event wake;
  bool is_ended = false;

  mutable std::mutex mutex;  // of what follows
  std::deque<std::string> texts;
  std::size_t bytes = 0;
  std::uint64_t dropped = 0;
  bool is_waited_for = false;
};

Inbox::Inbox(Executor executor, std::size_t bytes_max)
    : state_(std::make_shared<State>(std::move(executor), bytes_max)) {}

Inbox::~Inbox() = default;

void Inbox::put(std::string text) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->bytes += text.size();
    state_->texts.push_back(std::move(text));
    state_->drop_oldest();
    if (!std::exchange(state_->is_waited_for, false)) return;
  }
  // The event is the loop's alone.
  asio::post(state_->executor, [state = state_] { state->wake.set(); });
}

bool Inbox::is_empty() const {
  const std::lock_guard lock(state_->mutex);
  return state_->texts.empty();
}

std::deque<std::string> Inbox::take(std::size_t bytes_max) {
  const std::lock_guard lock(state_->mutex);
  std::deque<std::string> taken;
  std::size_t size = 0;
  while (!state_->texts.empty()) {
    size += needed_for(state_->texts.front());
    if (size > bytes_max && !taken.empty()) break;
    state_->bytes -= state_->texts.front().size();
    taken.push_back(std::move(state_->texts.front()));
    state_->texts.pop_front();
  }
  return taken;
}

std::uint64_t Inbox::take_dropped() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->dropped, 0);
}

Awaitable<void> Inbox::wait(SteadyTime until) {
  while (!state_->is_ended) {
    {
      const std::lock_guard lock(state_->mutex);
      if (!state_->texts.empty()) co_return;
      state_->is_waited_for = true;
    }
    if (!co_await state_->wake.wait(until)) co_return;
  }
}

Awaitable<void> Inbox::pause(std::chrono::milliseconds time) {
  if (!state_->is_ended) co_await state_->wake.wait_for(time);
}

void Inbox::end() {
  state_->is_ended = true;
  state_->wake.close();
}

}  // namespace posthorn::net
