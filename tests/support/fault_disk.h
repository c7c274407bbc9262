// A Disk that works on the real one and goes wrong where a test says: one operation fails with a
// chosen errno, or the process "is killed" before the n-th operation and everything after it is
// refused. It also knows what was synced, so that cut_power() can take back all that was not: bytes
// written since a file's last sync, and names made, moved or removed since their folder's last one.
// Nothing is really synced: a test of a thousand crashes would wait for the disk all day.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace posthorn::test {

class FaultDisk final : public Disk {
 public:
  enum class Op {
    read,
    create,
    append,
    update,
    write,
    write_at,
    truncate,
    sync,
    sync_folder,
    rename,
    link,
    make_link,
    remove,
    make_folder,
    remove_folder,
    set_modified,
  };
  enum class Fault {
    none,
    once,      // the n-th operation fails, the next one works again
    for_good,  // as a kill -9 before the n-th: it and all that follow are refused
  };
  struct Plan {
    Fault fault = Fault::none;
    int at = 0;               // counted from 1
    int error = 5;            // errno; EIO
    bool with_reads = false;  // opening for reading counts, too
  };

  FaultDisk() = default;
  explicit FaultDisk(Plan plan) : plan_(plan) {}
  FaultDisk(Fault fault, int at) : plan_{.fault = fault, .at = at} {}

  // From now on; the count begins anew.
  void arm(Plan plan);
  int count() const;
  bool is_killed() const;              // for_good has begun
  std::vector<Op> operations() const;  // since the count began
  // A sync of a file whose sync has failed before: the kernel may answer "ok" though the bytes are
  // gone, so nothing may ever trust it.
  int syncs_after_failed() const;

  // Takes back what was not synced. The disk is not to be used after it.
  void cut_power();

  Result<File> open(const Path& path, OpenMode mode) override;
  Result<> write(const File& file, std::string_view bytes) override;
  Result<> write_at(const File& file, std::string_view bytes, std::uint64_t offset) override;
  Result<> truncate(const File& file, std::uint64_t size) override;
  Result<> sync(const File& file) override;
  Result<> sync_folder(const Path& folder) override;
  Result<> rename(const Path& from, const Path& to) override;
  Result<> link(const Path& from, const Path& to) override;
  Result<> make_link(const Path& target, const Path& path) override;
  Result<> remove(const Path& path) override;
  Result<> make_folder(const Path& path, mode_t mode) override;
  Result<> remove_folder(const Path& path) override;
  Result<> set_modified(const Path& path, WallTime time) override;

 private:
  struct Undo {
    Path folder;
    std::function<void()> run;
  };
  bool fails(Op op);
  std::unexpected<Error> failure(std::string_view call, const Path& path) const;
  std::string synced_text(const Path& path) const;
  Path keep(const Path& path);

  Disk& real_ = Disk::real();
  mutable std::mutex mutex_;  // pool threads work beside each other
  Plan plan_;
  std::vector<Op> done_;
  std::map<int, Path> paths_;           // of open descriptors
  std::map<Path, std::string> synced_;  // a file's bytes at its last sync
  std::set<std::uint64_t> worthless_;   // inodes whose sync failed
  int syncs_after_failed_ = 0;
  std::list<Undo> undo_;
  const TempFolder kept_;  // files that were removed or replaced
  int kept_count_ = 0;
};

}  // namespace posthorn::test
