#include "tools/terminal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace posthorn::tools {
namespace {

constexpr std::size_t kLineMax = 65'536;
constexpr std::array kEnds = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

volatile std::sig_atomic_t g_is_broken_off = 0;

// Signals that end the program wait until the terminal is as it was: they arrive in ppoll only.
class Watch {
 public:
  Watch() {
    g_is_broken_off = 0;
    sigset_t ends;
    ::sigemptyset(&ends);
    for (const int number : kEnds) ::sigaddset(&ends, number);
    ::sigprocmask(SIG_BLOCK, &ends, &mask_);
    for (std::size_t i = 0; i < kEnds.size(); ++i) {
      struct sigaction action{};
      action.sa_handler = [](int) { g_is_broken_off = 1; };
      ::sigaction(kEnds[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) ::sigaction(kEnds[i], &action, nullptr);
    }
  }
  ~Watch() {
    for (std::size_t i = 0; i < kEnds.size(); ++i) ::sigaction(kEnds[i], &before_[i], nullptr);
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // False: broken off.
  bool wait() const {
    while (g_is_broken_off == 0) {
      pollfd input{STDIN_FILENO, POLLIN, 0};
      if (::ppoll(&input, 1, nullptr, &mask_) > 0 || errno != EINTR) break;
    }
    return g_is_broken_off == 0;
  }

 private:
  sigset_t mask_{};
  std::array<struct sigaction, kEnds.size()> before_{};
};

// While it lives, what is typed is not shown. What was typed ahead stays: answers may be pasted.
class Silence {
 public:
  explicit Silence(Echo echo) {
    if (echo == Echo::shown || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_cc[VSUSP] = _POSIX_VDISABLE;  // ^Z would leave the shell as silent
    is_silent_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &silent) == 0;
  }
  ~Silence() {
    if (!is_silent_) return;
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    fmt::print(stderr, "\n");
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  termios before_{};
  bool is_silent_ = false;
};

}  // namespace

bool is_anybody_there() {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

std::size_t columns_of(int fd) {
  constexpr std::size_t kPage = 100, kLeast = 20;
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kPage;
  return std::clamp<std::size_t>(size.ws_col, kLeast, kPage);
}

Result<std::string> ask_line(std::string_view prompt, Echo echo) {
  std::fflush(stdout);
  fmt::print(stderr, "{}", prompt);
  const Watch watch;
  const Silence silence(echo);
  std::string line;
  while (true) {
    if (!watch.wait()) return fail(ErrorKind::closed, "broken off");
    char c = 0;
    const ssize_t count = ::read(STDIN_FILENO, &c, 1);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return fail_errno("read", "standard input", errno);
    if (count == 0 && line.empty()) return fail(ErrorKind::closed, "the input ended");
    if (count == 0 || c == '\n') break;
    if (line.size() == kLineMax) return fail(ErrorKind::permanent, "the line is too long");
    line += c;
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace posthorn::tools
