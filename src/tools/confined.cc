#include "tools/confined.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/fence.h"
#include "process/sandbox.h"

namespace posthorn::tools {
namespace {

// Each gives 0 or the error's number.
int try_open(const std::string& path, int flags) {
  const File file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  return file.is_open() ? 0 : errno;
}

int try_exec(const std::string& path) {
  // In a process of its own where one may be made, else in place: the exec fails then anyway.
  const pid_t child = ::fork();
  if (child <= 0) {
    ::execl(path.c_str(), path.c_str(), static_cast<char*>(nullptr));
    const int error = errno;
    if (child == 0) ::_exit(error);
    return error;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

int try_socket(const std::string& family) {
  static const std::map<std::string, int> kFamilies = {
      {"unix", AF_UNIX}, {"inet", AF_INET}, {"inet6", AF_INET6}, {"packet", AF_PACKET}};
  const auto found = kFamilies.find(family);
  if (found == kFamilies.end()) return EINVAL;
  const File socket(::socket(found->second, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket.is_open() ? 0 : errno;
}

int try_call(const std::string& name) {
  static const std::map<std::string, std::function<long()>> kCalls = {
      {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"io_uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"keyctl", [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }},
      {"mount", [] { return static_cast<long>(::mount("none", "/", "tmpfs", 0, nullptr)); }},
      {"perf", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, 0, 0, 0); }},
      {"ptrace", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
      {"unshare", [] { return static_cast<long>(::unshare(CLONE_NEWUSER)); }},
      {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
      {"getpid", [] { return ::syscall(SYS_getpid); }},
  };
  const auto found = kCalls.find(name);
  if (found == kCalls.end()) return EINVAL;
  return found->second() >= 0 ? 0 : errno;
}

// What a role that was taken over has: a listening socket, which it may shut down to make it an
// ordinary one; and somebody to reach.
struct Reach {
  File listening, target;
  sockaddr_in address{};

  static File listen() {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    File socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
        ::listen(socket.fd(), 8) != 0)
      return {};
    return socket;
  }
  Reach() : listening(listen()), target(listen()) {
    socklen_t length = sizeof address;
    ::getsockname(target.fd(), reinterpret_cast<sockaddr*>(&address), &length);
  }

  int attempt(const std::string& how) {
    const int fd = listening.fd();
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    char byte = 'x';
    iovec part{&byte, 1};
    mmsghdr one{};
    one.msg_hdr.msg_name = &address;
    one.msg_hdr.msg_namelen = sizeof address;
    one.msg_hdr.msg_iov = &part;
    one.msg_hdr.msg_iovlen = 1;
    const int on = 1;
    ::shutdown(fd, SHUT_RDWR);
    const std::map<std::string, std::function<long()>> ways = {
        {"connect", [&] { return static_cast<long>(::connect(fd, to, sizeof address)); }},
        {"late-connect",
         [&] {
           ::setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
           return static_cast<long>(::connect(fd, to, sizeof address));
         }},
        {"sendto",
         [&] {
           return static_cast<long>(::sendto(fd, &byte, 1, MSG_FASTOPEN, to, sizeof address));
         }},
        {"sendto-and-more",
         [&] {
           constexpr int kFlags = MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT;
           const long sent = ::sendto(fd, &byte, 1, kFlags, to, sizeof address);
           return sent < 0 && errno == EINPROGRESS ? 0 : sent;
         }},
        {"sendmsg", [&] { return static_cast<long>(::sendmsg(fd, &one.msg_hdr, MSG_FASTOPEN)); }},
        {"sendmmsg", [&] { return static_cast<long>(::sendmmsg(fd, &one, 1, MSG_FASTOPEN)); }},
        {"bind", [&] { return static_cast<long>(::bind(fd, to, sizeof address)); }},
        {"listen", [&] { return static_cast<long>(::listen(fd, 1)); }},
    };
    const auto found = ways.find(how);
    if (found == ways.end()) return EINVAL;
    return found->second() >= 0 ? 0 : errno;
  }
};

int attempt(std::string_view what, Reach& reach) {
  const std::size_t colon = what.find(':');
  const std::string verb(what.substr(0, colon));
  const std::string rest(colon == std::string_view::npos ? "" : what.substr(colon + 1));
  if (verb == "read") return try_open(rest, O_RDONLY);
  if (verb == "list") return try_open(rest, O_RDONLY | O_DIRECTORY);
  if (verb == "write") return try_open(rest, O_WRONLY | O_CREAT);
  if (verb == "exec") return try_exec(rest);
  if (verb == "socket") return try_socket(rest);
  if (verb == "reach") return reach.attempt(rest);
  if (verb == "call") return try_call(rest);
  return EINVAL;
}

}  // namespace

int run_confined(const config::Config& config, const ConfinedOptions& options) {
  const auto role = process::find_role(options.role);
  Result<> done;
  if (!role) done = fail(ErrorKind::config, "there is no role of that name");
  if (done)
    done = process::become(process::user_of(config, *role), process::key_group_of(config, *role));
  if (done) done = process::restrict_process();
  if (!done) {
    fmt::print(stderr, "posthorn: {}\n", done.error().what);
    return 1;
  }
  Reach reach;  // inherited, as a role's are
  const process::Fenced fenced = process::put_up(process::fence_of(config, *role));
  fmt::print("landlock {}\nfilter {}\n", fenced.landlock, fenced.filter ? "seccomp" : "none");
  for (const std::string& what : options.attempts) {
    const int error = attempt(what, reach);
    fmt::print("{} {}\n", what, error == 0 ? "ok" : strerrorname_np(error));
  }
  return 0;
}

}  // namespace posthorn::tools
