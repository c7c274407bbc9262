#include "acme/folder.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"

namespace posthorn::acme {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::string_view kNew = ".new.";

bool is_half_written(std::string_view name) {
  return name.starts_with('.') && name.find(kNew) != std::string_view::npos;
}

Result<std::vector<std::string>> names_of(const File& folder) {
  const int copy = ::openat(folder.fd(), ".", kFolderFlags);
  DIR* const opened = copy < 0 ? nullptr : ::fdopendir(copy);
  if (opened == nullptr) return fail_errno("fdopendir", "the folder of certificates", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> all(opened, &::closedir);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(all.get())) names.emplace_back(entry->d_name);
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::string> pair_file(const std::string& name) {
  const bool is_good = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (!is_good || name.empty() || name.starts_with('.') || name.size() > 253)
    return fail(ErrorKind::permanent, fmt::format("\"{}\" is no host name", name));
  // A file's name holds 255 bytes, and what is half written has a few more.
  return (name.size() > 200 ? name.substr(0, 200) : name) + ".pem";
}

Result<Folder::Places> Folder::open_places(const Path& path) {
  Places places;
  places.folder = File(::open(path.c_str(), kFolderFlags));
  if (!places.folder.is_open()) return fail_errno("open", path.native(), errno);
  if (::mkdirat(places.folder.fd(), "retired", 0700) != 0 && errno != EEXIST)
    return fail_errno("mkdir", (path / "retired").native(), errno);
  places.retired = File(::openat(places.folder.fd(), "retired", kFolderFlags));
  if (!places.retired.is_open()) return fail_errno("open", (path / "retired").native(), errno);
  return places;
}

Result<std::unique_ptr<Folder>> Folder::open(const Path& path) {
  TRY(auto places, open_places(path));
  return std::unique_ptr<Folder>(new Folder(std::move(places)));
}

Result<std::optional<std::string>> Folder::read(const std::string& name,
                                                std::size_t size_max) const {
  const File file(
      ::openat(places_.folder.fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::nullopt;
    return fail_errno("open", name, errno);
  }
  TRY(const FileInfo info, read_file_info(file));
  if (!info.is_regular() || info.size > size_max)
    return fail(ErrorKind::permanent, fmt::format("{}: it is no small file", name));
  std::string text(info.size, '\0');
  TRY(const std::size_t size, read_at(file, text, 0));
  text.resize(size);
  return text;
}

Result<std::vector<std::string>> Folder::list() const {
  TRY(auto names, names_of(places_.folder));
  std::erase_if(names, [](const std::string& name) { return is_half_written(name); });
  return names;
}

Result<> Folder::write_new(const std::string& name, std::string_view bytes, Reader reader) {
  const File file(::openat(places_.folder.fd(), name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail_errno("create", name, errno);
  Disk& disk = Disk::real();
  TRY_OK(disk.write(file, bytes));
  if (reader == Reader::group) {
    struct stat st{};
    if (::fstat(places_.folder.fd(), &st) != 0) return fail_errno("fstat", name, errno);
    // The group first: until then nobody else may read it.
    if (::fchown(file.fd(), static_cast<uid_t>(-1), st.st_gid) != 0)
      return fail_errno("fchown", name, errno);
    if (::fchmod(file.fd(), 0640) != 0) return fail_errno("fchmod", name, errno);
  }
  return disk.sync(file);
}

Result<> Folder::keep_old(const std::string& name) {
  if (::unlinkat(places_.retired.fd(), name.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno("unlink", "retired/" + name, errno);
  // AT_SYMLINK_FOLLOW is not among the flags: a link would be linked as such.
  if (::linkat(places_.folder.fd(), name.c_str(), places_.retired.fd(), name.c_str(), 0) != 0 &&
      errno != ENOENT)
    return fail_errno("link", "retired/" + name, errno);
  if (::fsync(places_.retired.fd()) != 0) return fail_errno("fsync", "retired", errno);
  return {};
}

Result<> Folder::rename(const std::string& from, const std::string& to) {
  if (::renameat(places_.folder.fd(), from.c_str(), places_.folder.fd(), to.c_str()) != 0)
    return fail_errno("rename", to, errno);
  return {};
}

Result<> Folder::sync() {
  if (::fsync(places_.folder.fd()) != 0) return fail_errno("fsync", "folder", errno);
  return {};
}

Result<> Folder::replace(const std::string& name, std::string_view bytes, Reader reader) {
  const std::string half = "." + name + std::string(kNew) + random_hex(4);
  Result<> done = write_new(half, bytes, reader);
  if (done) done = rename(half, name);
  if (!done) {
    (void)::unlinkat(places_.folder.fd(), half.c_str(), 0);
    return done;
  }
  return sync();
}

Result<> Folder::put_pair(const std::string& name, std::string_view pem) {
  TRY(const std::string file, pair_file(name));
  const std::string half = "." + file + std::string(kNew) + random_hex(4);
  Result<> done = write_new(half, pem, Reader::group);
  if (done) done = keep_old(file);
  if (done) done = rename(half, file);
  if (!done) {
    (void)::unlinkat(places_.folder.fd(), half.c_str(), 0);
    return done;
  }
  return sync();
}

Result<> Folder::retire(const std::string& file) {
  TRY_OK(keep_old(file));
  if (::unlinkat(places_.folder.fd(), file.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno("unlink", file, errno);
  return sync();
}

Result<> Folder::clean() {
  TRY(const auto names, names_of(places_.folder));
  for (const std::string& name : names)
    if (is_half_written(name) && ::unlinkat(places_.folder.fd(), name.c_str(), 0) != 0)
      return fail_errno("unlink", name, errno);
  return {};
}

}  // namespace posthorn::acme
