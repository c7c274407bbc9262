// Memories: the accounts' memories (lda/memory.h), each for one delivery at a time. Who asks holds
// it until what it decides by the answer is done and noted, so two copies of a message that come
// at once are not both the first.
//
// The order, which a crash between any two steps must bear:
//   an answer   remembered, then sent, then the mail stored. A crash may lose the answer of this
//               period, and never repeats it. If sending fails it is forgotten again.
//   duplicate   the mail stored, then its id noted. Noted first, a crash would make the mail its
//               own duplicate when the queue hands it over again, and discard it.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "config/config.h"
#include "lda/memory.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "store/lock.h"

namespace posthorn::lda {

class Memories {
  struct One;

 public:
  struct Parts {
    net::Scope& scope;  // whose clock is asked
    net::BlockingPool& pool;
    const config::Config& config;  // where homes are
    Disk& disk = Disk::real();
  };
  explicit Memories(Parts parts) : parts_(parts) {}

  // An account's memory, while it lives.
  class Held {
   public:
    bool has(const Note& note) const;
    net::Task<Memory::Noted> note(Note note, std::chrono::seconds period) const;
    net::Task<> forget(Note note) const;

   private:
    friend class Memories;
    Held(const Memories& memories, std::shared_ptr<One> one, store::Lock::Guard guard)
        : memories_(&memories), one_(std::move(one)), guard_(std::move(guard)) {}
    const Memories* memories_;
    std::shared_ptr<One> one_;
    store::Lock::Guard guard_;
  };
  // account: one whose home is there. Waits for whoever holds it. An Error: it cannot be read.
  net::Task<Held> hold(std::string account);

  static constexpr std::size_t kOpenMax = 1000;
  std::size_t open() const { return ones_.size(); }

 private:
  struct One {
    One(net::Executor executor, Disk& disk, Path path)
        : lock(std::move(executor)), memory(disk, std::move(path)) {}
    store::Lock lock;
    Memory memory;
    bool is_loaded = false;
  };

  Parts parts_;
  std::map<std::string, std::shared_ptr<One>, std::less<>> ones_;
};

}  // namespace posthorn::lda
