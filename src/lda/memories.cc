#include "lda/memories.h"

#include "config/account_path.h"

namespace posthorn::lda {

bool Memories::Held::has(const Note& note) const {
  return one_->memory.has(note, memories_->parts_.scope.clock().now());
}

net::Task<Memory::Noted> Memories::Held::note(Note note, std::chrono::seconds period) const {
  const WallTime now = memories_->parts_.scope.clock().now();
  co_return co_await memories_->parts_.pool.run(
      [&, now, period] { return one_->memory.note(note, now, period); });
}

net::Task<> Memories::Held::forget(Note note) const {
  const WallTime now = memories_->parts_.scope.clock().now();
  co_return co_await memories_->parts_.pool.run(
      [&, now] { return one_->memory.forget(note, now); });
}

net::Task<Memories::Held> Memories::hold(std::string account) {
  CO_TRY(const Path home,
         config::account_path(parts_.config.paths.mail, parts_.config.store.location, account));
  auto found = ones_.find(account);
  if (found == ones_.end()) {
    // Those that nobody holds or waits for are read again when they are asked for.
    if (ones_.size() >= kOpenMax)
      std::erase_if(ones_, [](const auto& one) { return one.second.use_count() == 1; });
    found = ones_
                .emplace(account, std::make_shared<One>(parts_.scope.executor(), parts_.disk,
                                                        home / "posthorn-remembered"))
                .first;
  }
  const std::shared_ptr<One> one = found->second;
  auto guard = co_await one->lock.acquire();
  if (!one->is_loaded) {
    const WallTime now = parts_.scope.clock().now();
    CO_TRY_OK(co_await parts_.pool.run([&, now] { return one->memory.load(now); }));
    one->is_loaded = true;
  }
  co_return Held(*this, one, std::move(guard));
}

}  // namespace posthorn::lda
