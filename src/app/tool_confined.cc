#include "app/tool_confined.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/fence.h"
#include "app/sandbox.h"

namespace posthorn::app {
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

int attempt(std::string_view what) {
  const std::size_t colon = what.find(':');
  const std::string verb(what.substr(0, colon));
  const std::string rest(colon == std::string_view::npos ? "" : what.substr(colon + 1));
  if (verb == "read") return try_open(rest, O_RDONLY);
  if (verb == "list") return try_open(rest, O_RDONLY | O_DIRECTORY);
  if (verb == "write") return try_open(rest, O_WRONLY | O_CREAT);
  if (verb == "exec") return try_exec(rest);
  if (verb == "socket") return try_socket(rest);
  if (verb == "call") return try_call(rest);
  return EINVAL;
}

}  // namespace

int run_confined(const config::Config& config, const ConfinedOptions& options) {
  const auto role = find_role(options.role);
  Result<> done;
  if (!role) done = fail(ErrorKind::config, "there is no role of that name");
  if (done) done = become(user_of(config, *role), key_group_of(config, *role));
  if (done) done = restrict_process();
  if (!done) {
    fmt::print(stderr, "posthorn: {}\n", done.error().what);
    return 1;
  }
  const Fenced fenced = put_up(fence_of(config, *role));
  fmt::print("landlock {}\nfilter {}\n", fenced.landlock, fenced.filter ? "seccomp" : "none");
  for (const std::string& what : options.attempts) {
    const int error = attempt(what);
    fmt::print("{} {}\n", what, error == 0 ? "ok" : strerrorname_np(error));
  }
  return 0;
}

}  // namespace posthorn::app
