#include "tools/tap.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include "net/line_channel.h"
#include "process/instance.h"
#include "process/sockets.h"
#include "tools/account_name.h"
#include "tools/complain.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

Result<File> connect_to(const Path& path) {
  File socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.native().size() >= sizeof address.sun_path)
    return fail(ErrorKind::config, path.native() + ": too long a path");
  path.native().copy(address.sun_path, path.native().size());
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("connect", path.native(), errno);
  return socket;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

constexpr std::string_view kWatching = "-- watching\n", kUnknown = "-- no such session\n";

// Whole lines, so that those of two roles do not mix.
class Printer {
 public:
  bool feed(std::string_view bytes) {
    text_ += bytes;
    if (!has_begun_ && text_.starts_with(kWatching)) {  // said once, when all of them do
      text_.erase(0, kWatching.size());
      has_begun_ = true;
    }
    if (has_begun_ && !knows_it_ && text_.starts_with(kUnknown)) {
      text_.erase(0, kUnknown.size());
      is_unknown_ = true;
    }
    if (!text_.empty() && !kUnknown.starts_with(text_)) knows_it_ = true;
    const std::size_t end = text_.rfind('\n');
    if (end == std::string::npos) return true;
    const bool done = write_all(STDOUT_FILENO, std::string_view(text_).substr(0, end + 1));
    text_.erase(0, end + 1);
    return done;
  }

  bool has_begun() const { return has_begun_; }
  bool is_unknown() const { return is_unknown_; }

 private:
  std::string text_;
  bool has_begun_ = false;
  bool is_unknown_ = false;  // to this role
  bool knows_it_ = false;    // something came, or cannot be that word any more
};

}  // namespace

int run_tap(const config::Config& config, const TapOptions& options) {
  if ((options.all ? 1 : 0) + (options.user.empty() ? 0 : 1) + (options.session.empty() ? 0 : 1) !=
      1)
    return complain("tap: name one of --all, --user USER or a session");
  const auto running = process::find_instance(config);
  if (!running || !*running) return complain("the server is not running");
  net::Message watch("watch");
  if (!options.user.empty()) watch.add("user", complete_account_name(config, options.user));
  if (!options.session.empty()) watch.add("session", options.session);
  if (options.with_bodies) watch.add("bodies", "1");
  std::vector<Path> places = {config.paths.run / "tap-queue.sock"};
  for (const auto& [role, number] : process::list_workers(config))
    if (role == process::RoleKind::edge)
      places.push_back(config.paths.run / fmt::format("tap-{}.sock", number));
  std::vector<File> sockets;
  std::vector<pollfd> waits;
  std::vector<Printer> printers(places.size());
  for (const Path& place : places) {
    auto socket = connect_to(place);
    if (!socket) return complain(socket.error().what);
    if (!write_all(socket->fd(), net::format_message("1", watch)))
      return complain("the server closed the connection");
    waits.push_back({socket->fd(), POLLIN, 0});
    sockets.push_back(*std::move(socket));
  }
  bool has_begun = false;
  std::array<char, 64 * 1024> buffer{};
  while (true) {
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return 1;
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (waits[i].revents == 0) continue;
      const ssize_t n = ::read(waits[i].fd, buffer.data(), buffer.size());
      if (n <= 0) return complain("the server ended");
      if (!printers[i].feed({buffer.data(), static_cast<std::size_t>(n)})) return 0;
      if (!has_begun && std::ranges::all_of(printers, &Printer::has_begun)) {
        has_begun = true;
        if (!write_all(STDOUT_FILENO, kWatching)) return 0;
      }
      // Mail that waits in the queue has no connection now, but will.
      if (has_begun && std::ranges::all_of(printers, &Printer::is_unknown)) {
        const auto mail = ask_server(config, "queue-control.sock",
                                     net::Message("show").add("id", options.session));
        if (!mail || mail->verb != "ok")
          return complain(
              fmt::format("there is no session {} now, and no mail of that id in the "
                          "queue; --all shows every session",
                          options.session));
        printers.assign(printers.size(), Printer());
      }
    }
  }
}

}  // namespace posthorn::tools
