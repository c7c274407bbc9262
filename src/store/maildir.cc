#include "store/maildir.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>

namespace posthorn::store {
namespace {

constexpr std::size_t kJunkMax = 100;
constexpr int kDepthOfTreeMax = 16;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

Result<Folder> open_folder(const Path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fail_errno("open", path.native(), errno);
  DIR* folder = ::fdopendir(fd);
  if (folder == nullptr) {
    const int error = errno;
    ::close(fd);
    return fail_errno("opendir", path.native(), error);
  }
  return Folder(folder);
}

Stamp stamp_from(const struct stat& st) {
  return Stamp{.time = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec,
               .inode = static_cast<std::int64_t>(st.st_ino),
               .size = S_ISDIR(st.st_mode) ? 0 : st.st_size};
}

// What kind of file an entry is; DT_UNKNOWN (some file systems) asks.
unsigned char kind_of(DIR* folder, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type;
  struct stat st{};
  if (::fstatat(::dirfd(folder), entry.d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
  return S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_LNK;
}

template <class Visit>
Result<> visit_folder(const Path& path, Visit visit) {
  TRY(const Folder folder, open_folder(path));
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr && errno != 0) return fail_errno("readdir", path.native(), errno);
    if (entry == nullptr) return {};
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") visit(folder.get(), *entry, name);
  }
}

Result<Stamp> read_place(const Path& path, Place place, FolderScan& scan) {
  TRY(const Folder probe, open_folder(path));
  struct stat st{};
  if (::fstat(::dirfd(probe.get()), &st) != 0) return fail_errno("stat", path.native(), errno);
  TRY_OK(visit_folder(path, [&](DIR* folder, const dirent& entry, std::string_view name) {
    const auto parsed = parse_file_name(name);
    if (!parsed || kind_of(folder, entry) != DT_REG) {
      if (scan.junk.size() < kJunkMax && !name.starts_with('.'))
        scan.junk.push_back((path / name).native());
      return;
    }
    scan.files.push_back(FolderFile{.name = std::string(name),
                                    .base_size = parsed->base.size(),
                                    .has_info = parsed->has_info,
                                    .place = place});
  }));
  return stamp_from(st);
}

}  // namespace

FileLocation FolderFile::location() const {
  return FileLocation{.place = place,
                      .base = std::string(base()),
                      .info = std::string(info()),
                      .has_info = has_info};
}

Stamp stamp_of(const Path& path) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0 || S_ISLNK(st.st_mode)) return {};
  return stamp_from(st);
}

Result<FolderScan> scan_maildir(const Path& maildir) {
  FolderScan scan;
  // new/ first: files wander from new/ to cur/, never back.
  // A backup without empty folders has none: what is in cur/ is there all the same.
  const Path in_new = maildir / "new";
  struct stat st{};
  if (::lstat(in_new.c_str(), &st) == 0 || errno != ENOENT) {
    TRY(scan.in_new, read_place(in_new, Place::in_new, scan));
  }
  TRY(scan.in_cur, read_place(maildir / "cur", Place::in_cur, scan));
  std::ranges::sort(scan.files, [](const FolderFile& a, const FolderFile& b) {
    const int order = a.base().compare(b.base());
    return order != 0 ? order < 0 : a.place > b.place;
  });
  return scan;
}

Result<std::optional<FileLocation>> find_message_file(const Path& maildir, std::string_view base) {
  // cur/ twice: a file may leave new/ while cur/ is read.
  for (const auto& [folder, place] :
       {std::pair{"cur", Place::in_cur}, {"new", Place::in_new}, {"cur", Place::in_cur}}) {
    std::optional<FileLocation> found;
    TRY_OK(
        visit_folder(maildir / folder, [&](DIR* dir, const dirent& entry, std::string_view name) {
          if (!name.starts_with(base)) return;
          const auto parsed = parse_file_name(name);
          if (!parsed || parsed->base != base || kind_of(dir, entry) != DT_REG) return;
          found = FileLocation{.place = place,
                               .base = std::string(base),
                               .info = std::string(parsed->info),
                               .has_info = parsed->has_info};
        }));
    if (found) return found;
  }
  return std::nullopt;
}

Result<std::vector<std::string>> list_folders(const Path& path) {
  std::vector<std::string> names;
  TRY_OK(visit_folder(path, [&](DIR* folder, const dirent& entry, std::string_view name) {
    if (kind_of(folder, entry) == DT_DIR) names.emplace_back(name);
  }));
  std::ranges::sort(names);
  return names;
}

Result<std::vector<std::string>> list_names(const Path& path) {
  std::vector<std::string> names;
  TRY_OK(visit_folder(
      path, [&](DIR*, const dirent&, std::string_view name) { names.emplace_back(name); }));
  std::ranges::sort(names);
  return names;
}

Result<> remove_tree(Disk& disk, const Path& path, Planted planted, int depth) {
  if (depth > kDepthOfTreeMax)
    return fail(ErrorKind::permanent, "remove " + path.native() + ": too deep");
  std::vector<std::pair<std::string, bool>> entries;
  TRY_OK(visit_folder(path, [&](DIR* folder, const dirent& entry, std::string_view name) {
    entries.emplace_back(name, kind_of(folder, entry) == DT_DIR);
  }));
  for (const auto& [name, is_folder] : entries) {
    if (is_folder && planted == Planted::possible && depth > 0) {
      TRY_OK(disk.remove_folder(path / name));
    } else if (is_folder) {
      TRY_OK(remove_tree(disk, path / name, planted, depth + 1));
    } else {
      TRY_OK(disk.remove(path / name));
    }
  }
  return disk.remove_folder(path);
}

}  // namespace posthorn::store
