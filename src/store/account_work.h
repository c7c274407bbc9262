// How the classes on the role's thread reach the engine: Account::locked and Account::in_pool.
// Included by the .cc files of the store only.
#pragma once

#include "store/account.h"
#include "store/engine.h"

namespace posthorn::store {

template <class R, class Work>
net::Task<R> Account::in_pool(Work work) {
  last_used_ = std::chrono::steady_clock::now();
  is_resting_ = false;
  Changes changes;
  std::optional<std::vector<MailboxUsage>> usage;
  Extent extent = Extent::some;
  Result<R> result = co_await pool().run([&]() -> Result<R> {
    Result<R> done = work(changes);
    usage = engine_->take_usage_news();
    if (engine_->is_usage_whole()) extent = Extent::all;
    return done;
  });
  apply(std::move(changes));
  note_usage(std::move(usage), extent);
  co_return result;
}

template <class R, class Work>
net::Task<R> Account::locked(Work work) {
  const AccountPtr self = shared_from_this();
  const Lock::Guard guard = co_await lock_.acquire();
  co_return co_await in_pool<R>(std::move(work));
}

}  // namespace posthorn::store
