#include "net/keeper.h"

#include <algorithm>

#include "base/events.h"

namespace posthorn::net {

Keeper::Keeper(Scope& scope, BlockingPool& pool, Path folder)
    : scope_(scope), pool_(pool), state_(std::make_shared<State>()) {
  state_->kept = LastGood(std::move(folder));
}

void Keeper::keep(Files files) {
  std::ranges::move(files, std::back_inserter(state_->waiting));
  if (!state_->waiting.empty() && !std::exchange(state_->is_running, true))
    scope_.spawn(run(state_, &pool_));
}

Awaitable<void> Keeper::run(std::shared_ptr<State> state, BlockingPool* pool) {
  constexpr std::size_t kAtOnce = 50;
  while (!state->waiting.empty()) {
    Files files;
    while (!state->waiting.empty() && files.size() < kAtOnce) {
      files.push_back(std::move(state->waiting.back()));
      state->waiting.pop_back();
    }
    const auto kept = co_await pool->run([state, files = std::move(files)]() -> Result<> {
      for (const auto& [path, text] : files) TRY_OK(state->kept.keep(path, *text));
      return {};
    });
    if (kept) continue;
    log::Logger{}.warn(event::files_unkept, {{"error", kept.error().what}});
    state->waiting.clear();
  }
  state->is_running = false;
}

}  // namespace posthorn::net
