// WatchedFiles: the one watcher of edited files, for tables, users, secrets, scripts and
// certificates. It notices what was edited, replaced, made or removed; takes it only when it looks
// the same twice, for a file that somebody still writes would be read half; comes again with
// back-off for what could not be read, which has no new stamp; and tells a finding once.
//
// All parts of a role form one generation: each is prepared beside what is in use, in the pool, and
// they are put to use together, or none of them is. Nothing of it blocks the role's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/file.h"
#include "config/finding.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/timer.h"

namespace posthorn::net {

struct Prepared {
  config::Findings findings;
  bool is_usable = true;  // false: nothing of the generation is put to use
  bool may_pass = false;  // something could not be read; that may be otherwise in a moment
};

// Files that are read together.
class FilePart {
 public:
  virtual ~FilePart() = default;
  // What tells that one of them is another now. Blocks: runs in the pool.
  virtual std::string look() const = 0;
  // Reads and checks them in the pool, and keeps the outcome beside what is in use.
  virtual Awaitable<Prepared> prepare() = 0;
  // Puts that to use; never waits, never fails. What it took the place of is freed in the pool.
  virtual std::shared_ptr<const void> commit() = 0;
  // A finding, told once. The default writes nothing.
  virtual void tell(const config::Finding&) const {}
};

// When to read: what was seen, twice the same; again after a failure. Sans-I/O.
class FileWatch {
 public:
  enum class Todo { nothing, changed, again };
  explicit FileWatch(std::chrono::milliseconds interval) : interval_(interval), retry_(interval) {}
  Todo see(const std::string& stamp, SteadyTime now);
  enum class Read { done, may_pass };  // may_pass: something could not be read, and may be soon
  // Read as the files looked with that stamp; why: what see() said.
  void loaded(std::string stamp, Read read, Todo why, SteadyTime now);
  // Until the next look; a second look at what is new comes soon.
  std::chrono::milliseconds pause() const {
    return seen_ == loaded_ ? interval_ : std::min(interval_, std::chrono::milliseconds(250));
  }

 private:
  std::chrono::milliseconds interval_;
  Backoff retry_;
  std::string seen_, loaded_;
};

class WatchedFiles {
 public:
  // The parts live longer. They are prepared and committed in this order.
  WatchedFiles(Scope& scope, BlockingPool& pool, std::chrono::milliseconds interval,
               std::vector<FilePart*> parts, const Clock& clock = Clock::system());

  // The first load, then watches. Findings never keep it from starting: what to do without a usable
  // file is each part's own business.
  Awaitable<config::Findings> start();
  // Both phases at once.
  Awaitable<config::Findings> reload();
  // Phase one, for a generation that other roles prepare too. It holds back the watch until
  // commit(), drop() or kHeldMax.
  Awaitable<Prepared> prepare(std::string number);
  // Phase two; false: that one is not what is prepared (any more). Twice is once.
  Awaitable<bool> commit(const std::string& number);
  void drop(const std::string& number);

  // Of the files as they are now.
  const config::Findings& findings() const { return findings_; }
  std::size_t faults() const;
  std::uint64_t generation() const { return generation_; }
  void stop();
  bool is_watching() const { return is_watching_; }  // still, a moment after stop()

  static constexpr auto kHeldMax = std::chrono::seconds(30);

 private:
  enum class Why { asked, changed, again };
  static Awaitable<void> watch(WatchedFiles* self);
  Awaitable<std::string> look();
  Awaitable<void> lock();
  void unlock();
  Awaitable<Prepared> prepare_all(Why why);
  Awaitable<void> commit_all();
  Awaitable<config::Findings> load(Why why);

  Scope& scope_;
  BlockingPool& pool_;
  const Clock& clock_;
  std::vector<FilePart*> parts_;
  FileWatch watch_;
  Event stopped_, unlocked_;
  bool is_locked_ = false;
  std::string held_;  // the number of what waits for commit()
  std::string committed_;
  SteadyTime held_until_{};
  bool is_watching_ = false;
  config::Findings findings_;
  std::uint64_t generation_ = 0;
};

// "inode:size:time" of a file, of what a link leads to; "-": there is none. Blocks.
std::string stamp_of_file(const Path& path);

}  // namespace posthorn::net
