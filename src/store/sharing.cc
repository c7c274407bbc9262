#include "store/sharing.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <pwd.h>
#include <string>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace posthorn::store {
namespace {

// acl(5) as the kernel takes it (include/uapi/linux/posix_acl_xattr.h): a version, then entries.
constexpr std::uint32_t kVersion = 2;
enum class Tag : std::uint16_t { owner = 1, user = 2, group = 4, mask = 16, other = 32 };
constexpr std::uint32_t kNobody = 0xFFFF'FFFF;
constexpr unsigned kR = 4, kW = 2, kX = 1;

constexpr const char* kAccess = "system.posix_acl_access";
constexpr const char* kDefault = "system.posix_acl_default";

class List {
 public:
  List() { put(kVersion, 4); }
  List& add(Tag tag, unsigned rights, std::uint32_t id = kNobody) {
    put(static_cast<std::uint32_t>(tag), 2);
    put(rights, 2);
    put(id, 4);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put(std::uint32_t value, int size) {  // little-endian on every machine
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8U * unsigned(i)) & 0xFFU);
  }
  std::string bytes_;
};

std::string folder_list(uid_t user, unsigned rights) {
  return List()
      .add(Tag::owner, kR | kW | kX)
      .add(Tag::user, rights, user)
      .add(Tag::group, 0)
      .add(Tag::mask, rights)
      .add(Tag::other, 0)
      .bytes();
}

// Of a message: the user reads what the store wrote, the store reads what the user's programs
// wrote.
std::string message_list(uid_t user, unsigned mask) {
  const uid_t store = ::geteuid();
  List list;
  list.add(Tag::owner, kR | kW);
  if (store < user) list.add(Tag::user, kR | kW, store);
  list.add(Tag::user, kR, user);
  if (store > user) list.add(Tag::user, kR | kW, store);
  return list.add(Tag::group, 0).add(Tag::mask, mask).add(Tag::other, 0).bytes();
}

// false: it was so already.
Result<bool> set_list(int fd, const char* which, const std::string& wanted, const Path& path) {
  std::array<char, 512> now{};
  const ssize_t n = ::fgetxattr(fd, which, now.data(), now.size());
  if (n >= 0 && std::string_view(now.data(), static_cast<std::size_t>(n)) == wanted) return false;
  if (::fsetxattr(fd, which, wanted.data(), wanted.size(), 0) != 0)
    return fail_errno("fsetxattr", path.native(), errno);
  return true;
}

Result<File> open_folder(const Path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fail_errno("open", path.native(), errno);
  return File(fd);
}

// The store's own messages from before; what others wrote only they can share.
Result<> share_messages(const File& folder, const Path& path, uid_t user) {
  const int copy = ::fcntl(folder.fd(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return fail_errno("dup", path.native(), errno);
  struct Close {
    void operator()(DIR* open) const { ::closedir(open); }
  };
  const std::unique_ptr<DIR, Close> open(::fdopendir(copy));
  if (!open) {
    const int error = errno;
    ::close(copy);
    return fail_errno("opendir", path.native(), error);
  }
  const std::string list = message_list(user, kR);
  for (const dirent* entry = ::readdir(open.get()); entry != nullptr;
       entry = ::readdir(open.get())) {
    const File file(
        ::openat(folder.fd(), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat st{};
    if (!file.is_open() || ::fstat(file.fd(), &st) != 0) continue;
    if (!S_ISREG(st.st_mode) || st.st_uid != ::geteuid() || st.st_nlink != 1) continue;
    TRY_OK(set_list(file.fd(), kAccess, list, path / entry->d_name));
  }
  return {};
}

}  // namespace

Result<std::optional<uid_t>> find_unix_user(std::string_view account) {
  const std::string name(account.substr(0, account.find('@')));
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (const int error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
      error != 0 && error != ENOENT)
    return fail_errno("getpwnam", name, error);
  if (found == nullptr || found->pw_uid == 0 || found->pw_uid == ::geteuid()) return std::nullopt;
  return found->pw_uid;
}

Result<> share_file(const File& file) {
  // The group's bits are what the list's entries may have of theirs; the list, and without one the
  // folder, gives the group nothing.
  if (::fchmod(file.fd(), 0640) != 0) return fail_errno("fchmod", "message", errno);
  return {};
}

Result<> share_maildir(const Path& maildir, uid_t user) {
  for (const char* part : {"tmp", "new", "cur"}) {
    const Path path = maildir / part;
    TRY(const File folder, open_folder(path));
    // The default list first: nothing may be made in between that the user could not read.
    TRY_OK(set_list(folder.fd(), kDefault, message_list(user, kR | kW), path));
    TRY(const bool is_new, set_list(folder.fd(), kAccess, folder_list(user, kR | kW | kX), path));
    if (is_new) TRY_OK(share_messages(folder, path, user));
  }
  // At last, so that the user finds the parts as they shall be.
  TRY(const File folder, open_folder(maildir));
  TRY_OK(set_list(folder.fd(), kAccess, folder_list(user, kR | kX), maildir));
  return {};
}

}  // namespace posthorn::store
