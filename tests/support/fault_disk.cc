#include "tests/support/fault_disk.h"

namespace posthorn::test {
namespace {

namespace fs = std::filesystem;

}  // namespace

void FaultDisk::arm(Plan plan) {
  const std::scoped_lock lock(mutex_);
  plan_ = plan;
  done_.clear();
}

int FaultDisk::count() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<int>(done_.size());
}

bool FaultDisk::is_killed() const {
  const std::scoped_lock lock(mutex_);
  return plan_.fault == Fault::for_good && static_cast<int>(done_.size()) >= plan_.at;
}

std::vector<FaultDisk::Op> FaultDisk::operations() const {
  const std::scoped_lock lock(mutex_);
  return done_;
}

int FaultDisk::syncs_after_failed() const {
  const std::scoped_lock lock(mutex_);
  return syncs_after_failed_;
}

bool FaultDisk::fails(Op op) {
  if (op == Op::read && !plan_.with_reads) return false;
  done_.push_back(op);
  const int n = static_cast<int>(done_.size());
  if (plan_.fault == Fault::once) return n == plan_.at;
  return plan_.fault == Fault::for_good && n >= plan_.at;
}

std::unexpected<Error> FaultDisk::failure(std::string_view call, const Path& path) const {
  return fail_errno(call, path.native(), plan_.error);
}

std::string FaultDisk::synced_text(const Path& path) const {
  const auto at = synced_.find(path);
  return at == synced_.end() ? read_text(path) : at->second;
}

void FaultDisk::cut_power() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [path, text] : synced_)
    if (fs::is_regular_file(path) && read_text(path) != text) write_text(path, text);
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) undo->run();
}

// The file itself, for another name may lead to it.
Path FaultDisk::keep(const Path& path) {
  Path kept = kept_.path() / std::to_string(++kept_count_);
  std::error_code ignored;
  fs::create_hard_link(path, kept, ignored);
  return kept;
}

Result<File> FaultDisk::open(const Path& path, OpenMode mode) {
  const std::scoped_lock lock(mutex_);
  const Op op = mode == OpenMode::read     ? Op::read
                : mode == OpenMode::create ? Op::create
                : mode == OpenMode::append ? Op::append
                                           : Op::update;
  if (fails(op)) return failure("open", path);
  if (op == Op::read) return real_.open(path, mode);
  const bool existed = fs::exists(path);
  if (existed && !synced_.contains(path)) synced_[path] = read_text(path);
  auto file = real_.open(path, mode);
  if (!file) return file;
  if (!existed) {
    synced_[path] = "";
    if (const auto info = read_file_info(*file)) worthless_.erase(info->inode);  // one used anew
    undo_.push_back({path.parent_path(), [path] { fs::remove(path); }});
  }
  paths_[file->fd()] = path;
  return file;
}

Result<> FaultDisk::write(const File& file, std::string_view bytes) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::write)) {
    (void)real_.write(file, bytes.substr(0, bytes.size() / 2));  // a short one
    return failure("write", "file");
  }
  return real_.write(file, bytes);
}

Result<> FaultDisk::write_at(const File& file, std::string_view bytes, std::uint64_t offset) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::write_at)) {
    (void)real_.write_at(file, bytes.substr(0, bytes.size() / 2), offset);
    return failure("pwrite", "file");
  }
  return real_.write_at(file, bytes, offset);
}

Result<> FaultDisk::truncate(const File& file, std::uint64_t size) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::truncate)) return failure("ftruncate", "file");
  return real_.truncate(file, size);
}

Result<> FaultDisk::sync(const File& file) {
  const std::scoped_lock lock(mutex_);
  const auto info = read_file_info(file);
  const std::uint64_t inode = info ? info->inode : 0;
  if (fails(Op::sync)) {
    if (plan_.fault == Fault::once) worthless_.insert(inode);
    return failure("fdatasync", "file");
  }
  if (worthless_.contains(inode)) {
    ++syncs_after_failed_;
    return {};  // "ok", and nothing is on the disk
  }
  // By inode: the file may have been renamed since it was opened.
  for (const auto& [path, text] : synced_) {
    const auto named = find_file_info(path);
    if (!named || !*named || (*named)->inode != inode) continue;
    synced_[path] = read_text(path);
    return {};
  }
  const Path path = paths_[file.fd()];
  synced_[path] = read_text(path);
  return {};
}

Result<> FaultDisk::sync_folder(const Path& folder) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::sync_folder)) return failure("fsync", folder);
  undo_.remove_if([&](const Undo& undo) { return undo.folder == folder; });
  return {};
}

Result<> FaultDisk::rename(const Path& from, const Path& to) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::rename)) return failure("rename", from);
  const bool replaces = fs::is_regular_file(fs::symlink_status(to));
  const std::string old = replaces ? synced_text(to) : "";
  const auto old_link = find_link_target(to);
  const Path kept = replaces ? keep(to) : Path();
  auto done = real_.rename(from, to);
  if (!done) return done;
  if (const auto at = synced_.find(from); at != synced_.end()) {
    synced_[to] = at->second;
    synced_.erase(at);
  }
  undo_.push_back({to.parent_path(), [from, to, replaces, old, old_link, kept] {
                     std::error_code ignored;
                     fs::rename(to, from, ignored);
                     if (replaces) fs::rename(kept, to, ignored);
                     if (replaces) write_text(to, old);
                     if (old_link && *old_link) fs::create_symlink(**old_link, to, ignored);
                   }});
  return done;
}

Result<> FaultDisk::link(const Path& from, const Path& to) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::link)) return failure("link", to);
  auto done = real_.link(from, to);
  if (!done) return done;
  if (const auto at = synced_.find(from); at != synced_.end()) synced_[to] = at->second;
  undo_.push_back({to.parent_path(), [to] { fs::remove(to); }});
  return done;
}

Result<> FaultDisk::make_link(const Path& target, const Path& path) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::make_link)) return failure("symlink", path);
  auto done = real_.make_link(target, path);
  if (!done) return done;
  undo_.push_back({path.parent_path(), [path] { fs::remove(path); }});
  return done;
}

Result<> FaultDisk::remove(const Path& path) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::remove)) return failure("unlink", path);
  if (const auto link = find_link_target(path); link && *link)
    undo_.push_back({path.parent_path(), [path, link] {
                       std::error_code ignored;
                       fs::create_symlink(**link, path, ignored);
                     }});
  if (fs::is_regular_file(fs::symlink_status(path))) {
    const std::string old = synced_text(path);
    synced_.erase(path);
    const Path kept = keep(path);
    undo_.push_back({path.parent_path(), [path, old, kept] {
                       std::error_code ignored;
                       fs::rename(kept, path, ignored);
                       if (fs::exists(path.parent_path())) write_text(path, old);
                     }});
  }
  return real_.remove(path);
}

Result<> FaultDisk::make_folder(const Path& path, mode_t mode) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::make_folder)) return failure("mkdir", path);
  const bool existed = fs::exists(path);
  auto done = real_.make_folder(path, mode);
  if (!existed) undo_.push_back({path.parent_path(), [path] { fs::remove_all(path); }});
  return done;
}

Result<> FaultDisk::remove_folder(const Path& path) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::remove_folder)) return failure("rmdir", path);
  return real_.remove_folder(path);
}

Result<> FaultDisk::set_modified(const Path& path, WallTime time) {
  const std::scoped_lock lock(mutex_);
  if (fails(Op::set_modified)) return failure("utimensat", path);
  return real_.set_modified(path, time);
}

}  // namespace posthorn::test
