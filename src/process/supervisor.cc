#include "process/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/events.h"
#include "net/parcel.h"
#include "process/admin_group.h"
#include "process/challenge_ways.h"
#include "process/control_rights.h"
#include "process/folders.h"
#include "process/instance.h"
#include "process/key_keeper.h"
#include "process/port_holder.h"
#include "process/roster.h"
#include "process/running.h"
#include "process/sandbox.h"
#include "process/service_manager.h"
#include "process/sockets.h"

namespace posthorn::process {
namespace {

constexpr auto kBackoffFirst = 1s;
constexpr auto kBackoffMax = 60s;
constexpr auto kHealthyAfter = 60s;
// Beside the sockets and their copies: standard input to error, the lock, signals, a channel to
// each role, and the other end of the one that is being made. That is twelve of one worker each.
constexpr std::size_t kDescriptorsSpare = 15;

struct Child {
  RoleKind role;
  std::size_t worker = 0;
  pid_t pid = 0;
  // A byte comes when the role works; the log goes the other way when it is opened anew.
  File channel;
  bool is_ready = false;
  SteadyTime started{};
  WallTime since{};  // in the state that it is in
  std::uint64_t starts = 0;
  std::string last_end;  // how the process before ended
  SteadyTime start_again{};
  std::chrono::milliseconds backoff = kBackoffFirst;
};

struct Bound {
  SocketSpec spec;
  File socket;
};

class Supervisor {
 public:
  Supervisor(const config::Config& config, const Path& program)
      : config_(config), program_(program) {}

  int run() {
    if (const auto prepared = prepare(); !prepared) {
      log_.error(event::config_refused, {{"error", prepared.error().what}});
      fmt::print(stderr, "posthorn: {}\n", prepared.error().what);
      return 1;
    }
    keys_.look();
    make_children();
    for (Child& child : children_) start(child);
    loop();
    if (restarting_) begin_anew();
    return exit_status_;
  }

 private:
  Result<> prepare() {
    TRY_OK(prepare_folders(config_));
    TRY(lock_, take_instance_lock(config_));
    TRY(auto specs, list_sockets(config_));
    // A child has them all for a moment, and copies of its own.
    std::map<RoleKind, std::size_t> own;
    std::size_t most = 0;
    for (const SocketSpec& spec : specs) most = std::max(most, ++own[spec.role]);
    TRY_OK(take_descriptors("the supervisor", specs.size() + most + kDescriptorsSpare));
    TRY(auto inherited, take_inherited_sockets());
    TRY_OK(check_inherited(specs, inherited));
    is_inherited_ = !inherited.empty();
    ports_ = describe_ports(specs);
    for (SocketSpec& spec : specs) TRY_OK(bind(std::move(spec), inherited));
    log_challenge_doubts(config_);
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR2})
      sigaddset(&signals, signal);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signals_ = File(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.is_open()) return fail_errno("signalfd", "", errno);
    if (const auto kept = keep_running_config(config_); !kept)
      log_.warn(event::files_unkept, {{"error", kept.error().what}});
    return {};
  }

  Result<> bind(SocketSpec spec, SocketMap& inherited) {
    if (auto given = take_socket(inherited, spec.name)) {
      bound_.push_back({std::move(spec), *std::move(given)});
      return {};
    }
    net::BindOptions options;
    options.mode = spec.mode;
    auto socket = net::bind_socket(spec.address, options);
    if (!socket)
      return std::unexpected(explain_bind_failure(config_, spec, std::move(socket.error())));
    const auto* unix_address = std::get_if<net::UnixAddress>(&spec.address);
    if (unix_address != nullptr && spec.client && may_change_account())
      TRY_OK(open_to(unix_address->path, *spec.client));
    if (is_control(spec.name)) admins_.let_ask(unix_address->path);
    log_.debug(event::listener_started,
               {{"name", spec.name}, {"address", net::to_string(spec.address)}});
    bound_.push_back({std::move(spec), *std::move(socket)});
    return {};
  }

  // Who may connect is decided by the socket file's owner: exactly the one client role. A
  // supervisor that may not give files away belongs to the roles' groups, and opens it to the
  // group.
  Result<> open_to(const Path& path, RoleKind client) const {
    TRY(const Account account, find_account(user_of(config_, client)));
    if (::chown(path.c_str(), account.uid, account.gid) == 0) return {};
    if (errno != EPERM || ::chown(path.c_str(), static_cast<uid_t>(-1), account.gid) != 0 ||
        ::chmod(path.c_str(), 0660) != 0)
      return fail_errno("chown", path.native(), errno);
    return {};
  }

  void make_children() {
    for (const Worker& worker : list_workers(config_))
      children_.emplace_back(worker.role, worker.number);
  }

  void start(Child& child) {
    std::array<int, 2> ends{};
    child.started = Clock::system().steady_now();
    child.is_ready = false;
    ++child.starts;
    turn(child);
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return give_up(child, fail_errno("socketpair", "", errno).error());
    const pid_t pid = ::fork();
    const int error = errno;
    if (pid == 0) become_role(child, ends[1]);
    ::close(ends[1]);
    child.channel = File(ends[0]);
    if (pid < 0) return give_up(child, fail_errno("fork", "", error).error());
    child.pid = pid;
  }

  void give_up(Child& child, const Error& error) {
    log_.error(event::config_refused,
               {{"error", fmt::format("the role {}: {}", to_string(child.role), error.what)}});
    child.channel.close();
    delay(child);
  }

  // In the child, after fork: hands the sockets over from descriptor 3 on and runs the program
  // again.
  [[noreturn]] void become_role(const Child& child, int channel_fd) {
    std::vector<const Bound*> mine;
    for (const Bound& bound : bound_)
      if (bound.spec.role == child.role &&
          (bound.spec.worker == kAllWorkers || bound.spec.worker == child.worker))
        mine.push_back(&bound);
    std::string names;
    std::vector<int> copies;
    const int channel = 3 + static_cast<int>(mine.size()), lines = channel + 1, above = lines + 1;
    // Half of its sockets, or another's, would be worse than no role.
    const auto sure = [&](int fd, std::string_view what) {
      if (fd >= 0) return fd;
      log_.error(event::config_refused,
                 {{"error", fmt::format("the role {} cannot be given its sockets: {}: {}",
                                        to_string(child.role), what, std::strerror(errno))}});
      ::_exit(kConfigFault);
    };
    // First, as it may lie where a socket comes to: what goes wrong must not be written into that.
    if (log::descriptor() >= 0)
      log::write_to(File(sure(fcntl(log::descriptor(), F_DUPFD_CLOEXEC, above), "the log")));
    for (const Bound* bound : mine) {
      names += (names.empty() ? "" : ":") + bound->spec.name;
      copies.push_back(sure(fcntl(bound->socket.fd(), F_DUPFD_CLOEXEC, above), bound->spec.name));
    }
    const int channel_copy = sure(fcntl(channel_fd, F_DUPFD_CLOEXEC, above), "its channel");
    for (std::size_t i = 0; i < copies.size(); ++i)
      sure(::dup2(copies[i], 3 + static_cast<int>(i)), mine[i]->spec.name);
    sure(::dup2(channel_copy, channel), "its channel");
    if (log::descriptor() >= 0) {
      sure(::dup2(log::descriptor(), lines), "the log");
      setenv("POSTHORN_LOG_FD", fmt::format("{}", lines).c_str(), 1);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // no role outlives its supervisor
    setenv("LISTEN_FDS", fmt::format("{}", mine.size()).c_str(), 1);
    setenv("LISTEN_FDNAMES", names.c_str(), 1);
    setenv("LISTEN_PID", fmt::format("{}", getpid()).c_str(), 1);
    setenv("POSTHORN_SUPERVISOR_FD", fmt::format("{}", channel).c_str(), 1);
    unsetenv("NOTIFY_SOCKET");
    const std::string role = fmt::format("--role={}", to_string(child.role));
    const std::string worker = fmt::format("--worker={}", child.worker);
    ::execl(program_.c_str(), "posthorn", "serve", role.c_str(), worker.c_str(), "-c",
            config_.file.c_str(), static_cast<char*>(nullptr));
    fmt::print(stderr, "posthorn: exec {}: {}\n", program_.native(), std::strerror(errno));
    ::_exit(127);
  }

  void delay(Child& child) {
    const auto now = Clock::system().steady_now();
    if (now - child.started > kHealthyAfter) child.backoff = kBackoffFirst;
    child.start_again = now + child.backoff;
    child.backoff = std::min<std::chrono::milliseconds>(child.backoff * 2, kBackoffMax);
  }

  void loop() {
    while (!is_over()) {
      tell_roster();
      std::vector<pollfd> waits = {{signals_.fd(), POLLIN, 0}};
      for (const Child& child : children_)
        if (child.channel.is_open() && !child.is_ready)
          waits.push_back({child.channel.fd(), POLLIN, 0});
      ::poll(waits.data(), waits.size(), next_timeout());
      feed_watchdog();
      keys_.look();
      take_signals();
      take_ready();
      reap();
      restart_due();
      if (stopping_) stop_next();
    }
  }

  // It is in another state from now on.
  void turn(Child& child) {
    child.since = Clock::system().now();
    is_roster_old_ = true;
  }

  void tell_roster() {
    if (!std::exchange(is_roster_old_, false)) return;
    std::vector<health::Role> roles;
    for (const Child& child : children_)
      roles.push_back({.role = std::string(to_string(child.role)),
                       .worker = child.worker,
                       .state = child.pid <= 0   ? "down"
                                : child.is_ready ? "up"
                                                 : "starting",
                       .pid = static_cast<std::uint64_t>(std::max(0, child.pid)),
                       .restarts = child.starts - 1,
                       .since = child.since,
                       .last_end = child.last_end});
    if (const auto kept = keep_roster(config_, roles); !kept)
      log_.warn(event::files_unkept, {{"error", kept.error().what}});
  }

  int next_timeout() const {
    auto wait = std::chrono::milliseconds(1000);
    if (watchdog_) wait = std::min(wait, *watchdog_);
    const auto now = Clock::system().steady_now();
    for (const Child& child : children_)
      if (child.pid == 0 && !stopping_)
        wait = std::min(wait, std::max(1ms, std::chrono::duration_cast<std::chrono::milliseconds>(
                                                child.start_again - now)));
    return static_cast<int>(wait.count());
  }

  // sd_watchdog_enabled(3): a sign of life, twice as often as asked for.
  void feed_watchdog() {
    if (watchdog_ && Clock::system().steady_now() >= watchdog_due_) {
      watchdog_due_ = Clock::system().steady_now() + *watchdog_;
      notify_systemd("WATCHDOG=1");
    }
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.fd(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGHUP && !stopping_) {
        reopen_log();
        reload();
        for (const Child& child : children_)
          if (child.pid > 0) ::kill(child.pid, SIGHUP);
      } else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT ||
                 info.ssi_signo == SIGUSR2) {
        if (info.ssi_signo != SIGUSR2) restarting_ = false;
        if (stopping_) continue;
        stopping_ = true;
        restarting_ = info.ssi_signo == SIGUSR2;
        log_.info(event::role_stopping, {});
        for (const Child& child : children_)
          if (child.pid > 0 && child.role == RoleKind::store && child.is_ready)
            ::kill(child.pid, SIGUSR1);
        std::erase_if(bound_, [](const Bound& bound) { return bound.spec.worker == kAllWorkers; });
        notify_systemd(restarting_ ? "RELOADING=1" : "STOPPING=1");
      }
    }
  }

  // `posthorn restart`: the same process, with the program and the configuration as they are now.
  void begin_anew() {
    lock_.close();
    bound_.clear();
    std::string program = program_.native();
    constexpr std::string_view kDeleted = " (deleted)";  // an upgrade has put a new one there
    if (program.ends_with(kDeleted)) program.resize(program.size() - kDeleted.size());
    log_.info(event::role_stopped, {});
    if (is_inherited_) {  // whoever made the sockets hands them over again
      exit_status_ = 1;
      return;
    }
    if (watchdog_) setenv("WATCHDOG_USEC", fmt::format("{}", 2000 * watchdog_->count()).c_str(), 1);
    ::execl(program.c_str(), "posthorn", "serve", "-c", config_.file.c_str(),
            static_cast<char*>(nullptr));
    log_.error(event::config_refused,
               {{"error", fmt::format("exec {}: {}", program, std::strerror(errno))}});
    exit_status_ = 1;
  }

  // The roles have accounts of their own, which may not open it.
  void reopen_log() {
    const auto opened = log::reopen();
    if (!opened) return log_.error(event::log_kept, {{"error", opened.error().what}});
    if (!*opened) return;
    for (const Child& child : children_) {
      if (child.pid <= 0 || !child.channel.is_open()) continue;
      net::Parcel parcel;
      parcel.put(log::descriptor());
      if (::sendmsg(child.channel.fd(), &parcel.head, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_.error(event::log_kept, {{"to", to_string(child.role)},
                                     {"worker", child.worker},
                                     {"error", std::strerror(errno)}});
    }
    log_.info(event::log_reopened, {{"file", config_.log.file}});
  }

  // All roles together, by the one who asks them all: `posthorn reload` in a process of its own.
  // The roles log what comes of it.
  void reload() {
    const pid_t pid = ::fork();
    if (pid != 0) {
      if (pid < 0) log_.error(event::generation_refused, {{"error", std::strerror(errno)}});
      return;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
    unsetenv("NOTIFY_SOCKET");
    ::execl(program_.c_str(), "posthorn", "reload", "-c", config_.file.c_str(),
            static_cast<char*>(nullptr));
    ::_exit(127);
  }

  void take_ready() {
    for (Child& child : children_) {
      if (!child.channel.is_open() || child.is_ready) continue;
      pollfd wait{child.channel.fd(), POLLIN, 0};
      if (::poll(&wait, 1, 0) <= 0) continue;
      char byte = 0;
      child.is_ready = ::read(child.channel.fd(), &byte, 1) == 1;
      turn(child);
      if (!child.is_ready) child.channel.close();
    }
    if (announced_ || stopping_) return;
    if (!std::ranges::all_of(children_, [](const Child& child) { return child.is_ready; })) return;
    announced_ = true;
    log_.info(event::role_started, {{"pid", getpid()}});
    fmt::print("posthorn: listens on {}\nposthorn: ready\n", ports_);
    std::fflush(stdout);
    notify_systemd("READY=1");
  }

  void reap() {
    int status = 0;
    while (true) {
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return;
      const auto child = std::ranges::find(children_, pid, &Child::pid);
      if (child == children_.end()) continue;
      child->pid = 0;
      child->channel.close();
      child->is_ready = false;
      child->last_end = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                            : fmt::format("status {}", WEXITSTATUS(status));
      turn(*child);
      if (stopping_) continue;
      delay(*child);
      log_.error(event::role_died,
                 {{"died", to_string(child->role)},
                  {"worker", child->worker},
                  {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0},
                  {"status", WIFEXITED(status) ? WEXITSTATUS(status) : 0},
                  {"again_in", std::chrono::duration_cast<std::chrono::milliseconds>(
                                   child->start_again - Clock::system().steady_now())}});
      // One that dies before it was ever ready has a fault that a restart does not mend.
      if (!announced_ && WIFEXITED(status) && WEXITSTATUS(status) == kConfigFault) {
        exit_status_ = 1;
        stopping_ = true;
      }
    }
  }

  void restart_due() {
    if (stopping_) return;
    const auto now = Clock::system().steady_now();
    for (Child& child : children_)
      if (child.pid == 0 && now >= child.start_again) start(child);
  }

  // In the order of the mail's way, so that nothing arrives for one that has gone: edge, queue,
  // store, lookup, and the trail, which they all tell; the web pages, which ask them all, before
  // them.
  void stop_next() {
    const auto now = Clock::system().steady_now();
    for (const RoleKind role : {RoleKind::acme, RoleKind::web, RoleKind::edge, RoleKind::queue,
                                RoleKind::store, RoleKind::lookup, RoleKind::trail}) {
      bool any = false;
      for (Child& child : children_) {
        if (child.role != role || child.pid <= 0) continue;
        any = true;
        if (asked_ != role) {
          ::kill(child.pid, SIGTERM);
        } else if (now - asked_at_ > config_.limits.drain + 10s) {
          ::kill(child.pid, SIGKILL);
        }
      }
      if (!any) continue;
      if (asked_ != role) {
        asked_ = role;
        asked_at_ = now;
      }
      return;
    }
    over_ = true;
  }

  bool is_over() const { return over_; }

  static constexpr int kConfigFault = 78;  // EX_CONFIG of sysexits.h; app/roles exits with it

  const config::Config& config_;
  Path program_;
  log::Logger log_;
  KeyKeeper keys_{config_};
  const AdminGroup admins_{config_};
  File lock_;
  File signals_;
  std::vector<Bound> bound_;
  std::string ports_;
  std::vector<Child> children_;
  const std::optional<std::chrono::milliseconds> watchdog_ = take_watchdog();
  SteadyTime watchdog_due_{};
  bool announced_ = false;
  bool is_roster_old_ = false;
  bool stopping_ = false;
  bool restarting_ = false;
  bool is_inherited_ = false;
  bool over_ = false;
  int exit_status_ = 0;
  std::optional<RoleKind> asked_;
  SteadyTime asked_at_{};
};

}  // namespace

int supervise(const config::Config& config, const Path& program) {
  return Supervisor(config, program).run();
}

}  // namespace posthorn::process
