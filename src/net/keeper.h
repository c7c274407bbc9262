// Keeper: copies of last good files (base/last_good.h), written in the pool after they were put to
// use, a few at a time: each is synced, and others want the pool's threads, too. What it has begun
// it finishes, also when its owner has gone meanwhile.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/last_good.h"
#include "net/blocking_pool.h"
#include "net/scope.h"

namespace posthorn::net {

class Keeper {
 public:
  using Files = std::vector<std::pair<Path, std::shared_ptr<const std::string>>>;
  Keeper(Scope& scope, BlockingPool& pool, Path folder);
  // For reading, from any thread.
  const LastGood& kept() const { return state_->kept; }
  void keep(Files files);

 private:
  struct State {
    LastGood kept;
    Files waiting;
    bool is_running = false;
  };
  static Awaitable<void> run(std::shared_ptr<State> state, BlockingPool* pool);

  Scope& scope_;
  BlockingPool& pool_;
  std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
