#include "process/instance.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "process/admin_group.h"

namespace posthorn::process {
namespace {

constexpr const char* kLockName = "posthorn.lock";

struct flock whole_file() {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return whole;
}

// Opens or makes a file of that mode.
Result<File> open_own(const Path& path, mode_t mode) {
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.is_open()) return fail_errno("open", path.native(), errno);
  struct stat st{};
  if (::fstat(file.fd(), &st) != 0) return fail_errno("stat", path.native(), errno);
  if ((st.st_mode & 07777U) != mode && ::fchmod(file.fd(), mode) != 0)
    return fail_errno("chmod", path.native(), errno);
  return file;
}

Result<> write_pid(const File& file, const Path& path) {
  const std::string pid = fmt::format("{}\n", getpid());
  if (::ftruncate(file.fd(), 0) != 0 || ::pwrite(file.fd(), pid.data(), pid.size(), 0) < 0)
    return fail_errno("write", path.native(), errno);
  return {};
}

// For who may not open the lock, which to open is to be able to hold: a socket that he may ask
// tells who listens on it, and that is the supervisor (unix(7), SO_PEERCRED of a connection).
Result<std::optional<int>> find_listening(const config::Config& config) {
  const Path path = config.paths.run / "lookup-control.sock";
  const File socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.native().size() >= sizeof address.sun_path)
    return fail(ErrorKind::config, path.native() + ": too long a path");
  path.native().copy(address.sun_path, path.native().size());
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EACCES) return std::unexpected(explain_refusal(config, path));
    if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
    return fail_errno("connect", path.native(), errno);
  }
  ucred listener{};
  socklen_t size = sizeof listener;
  if (::getsockopt(socket.fd(), SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0)
    return fail_errno("SO_PEERCRED", path.native(), errno);
  if (listener.pid <= 0)
    return fail(ErrorKind::temporary,
                fmt::format("{}: its process is in another container", path.native()));
  return listener.pid;
}

}  // namespace

Result<File> take_instance_lock(const config::Config& config) {
  const Path path = config.paths.run / kLockName;
  // Whoever can open a file can lock it: this one is nobody else's, whatever it was before.
  TRY(File file, open_own(path, 0600));
  struct flock whole = whole_file();
  if (::fcntl(file.fd(), F_OFD_SETLK, &whole) != 0) {
    if (errno != EACCES && errno != EAGAIN) return fail_errno("lock", path.native(), errno);
    return fail(ErrorKind::config, fmt::format("another instance runs on {} ({} is locked)",
                                               config.paths.run.native(), path.native()));
  }
  TRY_OK(write_pid(file, path));
  const Path told = config.paths.run / "posthorn.pid";
  TRY(const File pid, open_own(told, 0644));
  TRY_OK(write_pid(pid, told));
  return file;
}

Result<std::optional<int>> find_instance(const config::Config& config) {
  const Path path = config.paths.run / kLockName;
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open() && errno == EACCES) return find_listening(config);
  if (!file.is_open()) return std::nullopt;
  // Asked, not tried: a lock that is held for a moment could keep a start from it.
  struct flock whole = whole_file();
  if (::fcntl(file.fd(), F_OFD_GETLK, &whole) != 0) return fail_errno("lock", path.native(), errno);
  if (whole.l_type == F_UNLCK) return std::nullopt;
  std::array<char, 32> text{};
  const ssize_t n = ::pread(file.fd(), text.data(), text.size() - 1, 0);
  const int pid = n > 0 ? std::atoi(text.data()) : 0;
  if (pid <= 0) return fail(ErrorKind::temporary, fmt::format("{} holds no pid", path.native()));
  return pid;
}

bool is_anothers(const config::Config& config) {
  const Path path = config.paths.run / kLockName;
  return ::access(path.c_str(), R_OK | W_OK) != 0 && errno == EACCES;
}

}  // namespace posthorn::process
