#include "net/watched_files.h"

#include <algorithm>
#include <fmt/format.h>

namespace posthorn::net {

FileWatch::Todo FileWatch::see(const std::string& stamp, SteadyTime now) {
  const bool is_still = stamp == seen_;
  seen_ = stamp;
  if (stamp != loaded_) return is_still ? Todo::changed : Todo::nothing;
  return retry_.is_due(now) ? Todo::again : Todo::nothing;
}

void FileWatch::loaded(std::string stamp, Read read, Todo why, SteadyTime now) {
  if (why != Todo::again || read == Read::done) retry_.succeed();
  if (read == Read::may_pass) retry_.fail(now);
  seen_ = loaded_ = std::move(stamp);
}

WatchedFiles::WatchedFiles(Scope& scope, BlockingPool& pool, std::chrono::milliseconds interval,
                           std::vector<FilePart*> parts, const Clock& clock)
    : scope_(scope),
      pool_(pool),
      clock_(clock),
      parts_(std::move(parts)),
      watch_(interval),
      stopped_(scope.executor()),
      unlocked_(scope.executor()) {}

Awaitable<config::Findings> WatchedFiles::start() {
  auto findings = co_await load(Why::asked);
  is_watching_ = true;
  scope_.spawn(watch(this));
  co_return findings;
}

void WatchedFiles::stop() {
  stopped_.close();
  unlocked_.close();
}

std::size_t WatchedFiles::faults() const {
  return config::faults_of(findings_).size();
}

Awaitable<std::string> WatchedFiles::look() {
  auto looked = co_await pool_.run([this]() -> Result<std::string> {
    std::string stamp;
    for (const FilePart* part : parts_) stamp += part->look() + "|";
    return stamp;
  });
  // The pool is full: as if nothing had changed, and the next look will tell.
  co_return looked ? *std::move(looked) : "?";
}

// One generation is in the making at a time.
Awaitable<void> WatchedFiles::lock() {
  while (is_locked_ && !unlocked_.is_closed()) co_await unlocked_.wait(SteadyTime::max());
  is_locked_ = true;
}
void WatchedFiles::unlock() {
  is_locked_ = false;
  unlocked_.set();
}

Awaitable<Prepared> WatchedFiles::prepare_all(Why why) {
  std::string stamp = co_await look();
  Prepared all;
  for (FilePart* part : parts_) {
    Prepared one = co_await part->prepare();
    all.is_usable = all.is_usable && one.is_usable;
    all.may_pass = all.may_pass || one.may_pass;
    for (config::Finding& finding : one.findings) {
      if (finding.remedy.empty() && finding.reason.find("ermission denied") != std::string::npos)
        finding.remedy = "`posthorn check` as root names the commands that open it to this role";
      // Told once, and again to whoever asks for a reload.
      if (why == Why::asked || std::ranges::find(findings_, finding) == findings_.end())
        part->tell(finding);
      all.findings.push_back(std::move(finding));
    }
  }
  watch_.loaded(std::move(stamp), all.may_pass ? FileWatch::Read::may_pass : FileWatch::Read::done,
                why == Why::again ? FileWatch::Todo::again : FileWatch::Todo::changed,
                clock_.steady_now());
  findings_ = all.findings;
  co_return all;
}

Awaitable<void> WatchedFiles::commit_all() {
  std::vector<std::shared_ptr<const void>> old;
  for (FilePart* part : parts_) old.push_back(part->commit());
  ++generation_;
  // A hundred thousand users are not freed in a moment.
  (void)co_await pool_.run([old = std::move(old)]() mutable -> Result<> {
    old.clear();
    return {};
  });
}

Awaitable<config::Findings> WatchedFiles::load(Why why) {
  co_await lock();
  held_.clear();
  const Prepared prepared = co_await prepare_all(why);
  if (prepared.is_usable) co_await commit_all();
  unlock();
  co_return prepared.findings;
}

Awaitable<config::Findings> WatchedFiles::reload() {
  co_return co_await load(Why::asked);
}

Awaitable<Prepared> WatchedFiles::prepare(std::string number) {
  co_await lock();
  held_.clear();
  Prepared prepared = co_await prepare_all(Why::asked);
  if (prepared.is_usable) {
    held_ = std::move(number);
    held_until_ = clock_.steady_now() + kHeldMax;
  }
  unlock();
  co_return prepared;
}

Awaitable<bool> WatchedFiles::commit(const std::string& number) {
  co_await lock();
  const bool is_it = !held_.empty() && held_ == number;
  if (is_it) {
    committed_ = std::exchange(held_, {});
    co_await commit_all();
  }
  unlock();
  co_return is_it || committed_ == number;
}

void WatchedFiles::drop(const std::string& number) {
  if (held_ == number) held_.clear();
}

Awaitable<void> WatchedFiles::watch(WatchedFiles* self) {
  while (!self->stopped_.is_closed()) {
    co_await self->stopped_.wait_for(self->watch_.pause());
    if (self->stopped_.is_closed()) break;
    if (self->is_locked_) continue;
    if (!self->held_.empty() && self->clock_.steady_now() < self->held_until_) continue;
    const std::string stamp = co_await self->look();
    if (stamp == "?" || self->is_locked_) continue;
    switch (self->watch_.see(stamp, self->clock_.steady_now())) {
      case FileWatch::Todo::nothing:
        break;
      case FileWatch::Todo::changed:
        (void)co_await self->load(Why::changed);
        break;
      case FileWatch::Todo::again:
        (void)co_await self->load(Why::again);
        break;
    }
  }
  self->is_watching_ = false;
}

std::string stamp_of_file(const Path& path) {
  // What a symbolic link leads to may be edited too.
  std::error_code error;
  const Path real = std::filesystem::canonical(path, error);
  const auto info = find_file_info(error ? path : real);
  if (!info) return "!";
  if (!*info) return "-";
  return fmt::format("{}:{}:{}:{:o}", (*info)->inode, (*info)->size,
                     (*info)->modified.time_since_epoch().count(), (*info)->mode);
}

}  // namespace posthorn::net
