#include "process/service_manager.h"

#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

namespace posthorn::process {

void notify_systemd(std::string_view state) {
  const char* where = std::getenv("NOTIFY_SOCKET");
  if (where == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(where);
  if (length == 0 || length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, where, length);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const File socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return;
  // A few datagrams fit (net.unix.max_dgram_qlen). Who does not read them must not hold up the
  // supervisor: a sign of life that finds no room is left out, news wait only so long.
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int flags = MSG_NOSIGNAL | (state == "WATCHDOG=1" ? MSG_DONTWAIT : 0);
  ::sendto(socket.fd(), state.data(), state.size(), flags, reinterpret_cast<sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

std::optional<std::chrono::milliseconds> take_watchdog() {
  const char* time = std::getenv("WATCHDOG_USEC");
  const char* pid = std::getenv("WATCHDOG_PID");
  if (time == nullptr || (pid != nullptr && std::atol(pid) != getpid())) return std::nullopt;
  const long long microseconds = std::atoll(time);
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
  if (microseconds < 2000) return std::nullopt;
  return std::chrono::milliseconds(microseconds / 2000);
}

}  // namespace posthorn::process
