#include "base/file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"

namespace posthorn {
namespace {

WallTime wall_time(const timespec& time) {
  return WallTime(std::chrono::milliseconds(time.tv_sec * 1000 + time.tv_nsec / 1'000'000));
}

FileInfo info_from(const struct stat& st) {
  return FileInfo{.size = static_cast<std::uint64_t>(st.st_size),
                  .inode = st.st_ino,
                  .modified = wall_time(st.st_mtim),
                  .changed = wall_time(st.st_ctim),
                  .mode = st.st_mode};
}

Result<File> open_fd(const Path& path, int flags, mode_t mode) {
  int fd = -1;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_errno("open", path.native(), errno);
  return File(fd);
}

class RealDisk final : public Disk {
 public:
  Result<File> open(const Path& path, OpenMode mode) override {
    switch (mode) {
      case OpenMode::read: {
        // O_NONBLOCK: opening a fifo that someone left in a maildir must not hang.
        TRY(auto file, open_fd(path, O_RDONLY | O_NONBLOCK, 0));
        TRY(const auto info, read_file_info(file));
        if (!info.is_regular())
          return fail(ErrorKind::permanent, "open " + path.native() + ": not a regular file");
        return file;
      }
      case OpenMode::create:
        return open_fd(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
      case OpenMode::append:
        return open_fd(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
      case OpenMode::update:
        return open_fd(path, O_RDWR, 0);
    }
    return fail(ErrorKind::permanent, "open: unknown mode");
  }

  Result<> write(const File& file, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(file.fd(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("write", "file", errno);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }

  Result<> write_at(const File& file, std::string_view bytes, std::uint64_t offset) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("pwrite", "file", errno);
      bytes.remove_prefix(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return {};
  }

  Result<> truncate(const File& file, std::uint64_t size) override {
    if (::ftruncate(file.fd(), static_cast<off_t>(size)) != 0)
      return fail_errno("ftruncate", "file", errno);
    return {};
  }

  Result<> sync(const File& file) override {
    if (::fdatasync(file.fd()) != 0) return fail_errno("fdatasync", "file", errno);
    return {};
  }

  Result<> sync_folder(const Path& folder) override {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno("open", folder.native(), errno);
    const File file(fd);
    if (::fsync(fd) != 0) return fail_errno("fsync", folder.native(), errno);
    return {};
  }

  Result<> rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno("rename", from.native(), errno);
    return {};
  }

  Result<> link(const Path& from, const Path& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return fail_errno("link", to.native(), errno);
    return {};
  }

  Result<> make_link(const Path& target, const Path& path) override {
    if (::symlink(target.c_str(), path.c_str()) != 0)
      return fail_errno("symlink", path.native(), errno);
    return {};
  }

  Result<> remove(const Path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      return fail_errno("unlink", path.native(), errno);
    return {};
  }

  Result<> make_folder(const Path& path, mode_t mode) override {
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
      return fail_errno("mkdir", path.native(), errno);
    return {};
  }

  Result<> remove_folder(const Path& path) override {
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT)
      return fail_errno("rmdir", path.native(), errno);
    return {};
  }

  Result<> set_modified(const Path& path, WallTime time) override {
    const auto ms = time.time_since_epoch().count();
    const timespec stamp{.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1'000'000};
    const timespec times[2] = {stamp, stamp};
    if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno("utimensat", path.native(), errno);
    return {};
  }
};

}  // namespace

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

File::~File() {
  close();
}

void File::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool FileInfo::is_regular() const {
  return S_ISREG(mode);
}
bool FileInfo::is_folder() const {
  return S_ISDIR(mode);
}

Disk& Disk::real() {
  static RealDisk disk;
  return disk;
}

Result<std::optional<std::string>> read_file(const Path& path, std::uint64_t size_max) {
  int fd = -1;
  do fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  while (fd < 0 && errno == EINTR);
  if (fd < 0 && errno == ENOENT) return std::nullopt;
  if (fd < 0) return fail_errno("open", path.native(), errno);
  const File file(fd);
  TRY(const auto info, read_file_info(file));
  if (!info.is_regular())
    return fail(ErrorKind::permanent, "read " + path.native() + ": not a regular file");
  if (info.size > size_max)
    return fail(ErrorKind::permanent, "read " + path.native() + ": larger than the limit");
  std::string text(info.size, '\0');
  TRY(const auto n, read_at(file, text, 0));
  text.resize(n);
  return text;
}

Result<std::optional<FileInfo>> find_file_info(const Path& path) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return fail_errno("stat", path.native(), errno);
  }
  return info_from(st);
}

Result<FileInfo> read_file_info(const File& file) {
  struct stat st{};
  if (::fstat(file.fd(), &st) != 0) return fail_errno("fstat", "file", errno);
  return info_from(st);
}

Result<std::optional<std::string>> find_link_target(const Path& path) {
  std::string target(4096, '\0');
  const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
  if (n < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EINVAL)) return std::nullopt;
  if (n < 0) return fail_errno("readlink", path.native(), errno);
  target.resize(static_cast<std::size_t>(n));
  return target;
}

Result<std::size_t> read_at(const File& file, std::span<char> buffer, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t n = ::pread(file.fd(), buffer.data() + done, buffer.size() - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("pread", "file", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<> replace_file(Disk& disk, const Path& path, std::string_view bytes, mode_t mode) {
  Path temporary = path;
  temporary += ".new." + random_hex(4);
  TRY(auto file, disk.open(temporary, OpenMode::create));
  Result<> written = disk.write(file, bytes);
  if (written && mode != 0600 && ::fchmod(file.fd(), mode) != 0)
    written = fail_errno("fchmod", temporary.native(), errno);
  if (written) written = disk.sync(file);
  if (written) written = disk.rename(temporary, path);
  if (!written) {
    (void)disk.remove(temporary);
    return written;
  }
  return disk.sync_folder(path.parent_path().empty() ? Path(".") : path.parent_path());
}

Result<> make_folders(Disk& disk, const Path& path, mode_t mode) {
  TRY(const auto info, find_file_info(path));
  if (info) return {};
  const Path parent = path.parent_path();
  if (!parent.empty() && parent != path) TRY_OK(make_folders(disk, parent, mode));
  TRY_OK(disk.make_folder(path, mode));
  return disk.sync_folder(parent.empty() ? Path(".") : parent);
}

}  // namespace posthorn
