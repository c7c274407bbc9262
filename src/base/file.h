// Disk: the one place that writes, syncs, renames and removes. Everything that must survive a crash
// goes through it, so that tests can make any call fail and can drop what was not synced.
//
// What is durable when (POSIX, ext4, xfs): a file's bytes after sync(file); a name (create, link,
// rename, unlink) after sync_folder() of the folder that holds it. After a failed sync the file is
// worthless: the kernel may have dropped the pages and will say "ok" the next time, so throw the
// file away and write anew. All calls block: on a role they run in net::BlockingPool.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/clock.h"
#include "base/result.h"

namespace posthorn {

using Path = std::filesystem::path;

// An open descriptor that closes itself.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept;
  ~File();

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void close();

 private:
  int fd_ = -1;
};

enum class OpenMode {
  read,    // O_RDONLY; not through a symbolic link, never a device or fifo
  create,  // O_WRONLY|O_CREAT|O_EXCL, mode 0600
  append,  // O_WRONLY|O_APPEND|O_CREAT, mode 0600
  update,  // O_RDWR
};

struct FileInfo {
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  WallTime modified{};
  WallTime changed{};
  mode_t mode = 0;
  bool is_regular() const;
  bool is_folder() const;
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<File> open(const Path& path, OpenMode mode) = 0;
  // All of the bytes; goes on after a short write.
  virtual Result<> write(const File& file, std::string_view bytes) = 0;
  virtual Result<> write_at(const File& file, std::string_view bytes, std::uint64_t offset) = 0;
  virtual Result<> truncate(const File& file, std::uint64_t size) = 0;
  virtual Result<> sync(const File& file) = 0;                           // fdatasync
  virtual Result<> sync_folder(const Path& folder) = 0;                  // fsync of the directory
  virtual Result<> rename(const Path& from, const Path& to) = 0;         // replaces to
  virtual Result<> link(const Path& from, const Path& to) = 0;           // fails if to exists
  virtual Result<> make_link(const Path& target, const Path& path) = 0;  // a symbolic one, as link
  virtual Result<> remove(const Path& path) = 0;  // a file; one that is not there is no error
  virtual Result<> make_folder(const Path& path,
                               mode_t mode = 0700) = 0;  // one that is there is no error
  virtual Result<> remove_folder(const Path& path) = 0;  // an empty one
  virtual Result<> set_modified(const Path& path, WallTime time) = 0;

  static Disk& real();
};

// Reading changes nothing, so it needs no interface. nullopt: there is no such file.
Result<std::optional<std::string>> read_file(const Path& path, std::uint64_t size_max = 64U << 20U);
Result<std::optional<FileInfo>> find_file_info(const Path& path);
Result<FileInfo> read_file_info(const File& file);
// What a symbolic link says, which is followed nowhere. nullopt: there is none of this name.
Result<std::optional<std::string>> find_link_target(const Path& path);
// Up to buffer.size() bytes from offset; fewer only at the end of the file.
Result<std::size_t> read_at(const File& file, std::span<char> buffer, std::uint64_t offset);

// Writes a new file beside path, syncs it, renames it over path, syncs the folder: after a crash
// path holds the old bytes or the new ones, whole.
Result<> replace_file(Disk& disk, const Path& path, std::string_view bytes, mode_t mode = 0600);
// make_folder for each missing one from the top, each name synced.
Result<> make_folders(Disk& disk, const Path& path, mode_t mode = 0700);

}  // namespace posthorn
