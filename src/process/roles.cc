#include "process/roles.h"

#include <algorithm>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/events.h"
#include "base/metrics.h"
#include "net/dialer.h"
#include "net/own_addresses.h"
#include "net/parcel.h"
#include "net/scope.h"
#include "net/socket_wait.h"
#include "net/timer.h"
#include "process/admin_group.h"
#include "process/challenge_ways.h"
#include "process/control_rights.h"
#include "process/fence.h"
#include "process/folders.h"
#include "process/generation.h"
#include "process/instance.h"
#include "process/port_holder.h"
#include "process/role.h"
#include "process/roster.h"
#include "process/running.h"
#include "process/sandbox.h"
#include "process/service_manager.h"
#include "trail/teller.h"

namespace posthorn::process {
namespace {

// With which a role can begin and serve somebody; what more it could use, it does without.
constexpr std::size_t kDescriptorsMin = 24;

std::size_t count(const SocketMap& sockets) {
  std::size_t all = 0;
  for (const auto& [name, files] : sockets) all += files.size();
  return all;
}

struct Place {
  RoleKind kind;
  std::size_t worker = 0;
};

// Before the first thread. A kernel without these means is told of and gone on with: the account
// of the role bounds it still.
void fence_in(const config::Config& config, RoleKind kind) {
  const Fenced fenced = put_up(fence_of(config, kind));
  const log::Logger log;
  if (fenced.missing.empty())
    log.info(event::role_fenced, {{"landlock", fenced.landlock}, {"filter", "seccomp"}});
  else
    log.warn(event::role_unfenced, {{"landlock", fenced.landlock},
                                    {"filter", fenced.filter ? "seccomp" : "none"},
                                    {"reason", fenced.missing}});
}

struct Dialing {
  File channel;
  std::vector<Path> sockets;
};

// Edge and web make no connection themselves: a child does, which has nothing of the role's but the
// channel, and ends with it. nullopt: the role needs none.
Result<std::optional<Dialing>> start_dialer(const config::Config& config, RoleKind kind) {
  if (fence_of(config, kind).outward != Outward::nowhere) return std::nullopt;
  Dialing dialing;
  TRY(const auto specs, list_sockets(config));
  if (std::ranges::none_of(specs, [&](const SocketSpec& spec) { return spec.client == kind; }))
    return std::nullopt;
  for (const SocketSpec& spec : specs)
    if (const auto* address = std::get_if<net::UnixAddress>(&spec.address))
      if (spec.client == kind) dialing.sockets.push_back(address->path);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("socketpair", "", errno);
  dialing.channel = File(ends[0]);
  File far(ends[1]);
  const pid_t child = ::fork();
  if (child < 0)
    return fail(ErrorKind::temporary,
                fmt::format("no process can be made for connections: {}", std::strerror(errno)));
  if (child > 0) return dialing;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "posthorn-dialer");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE}) ::signal(signal, SIG_IGN);
  // The listening sockets above all, which could be turned round and connected.
  const int fd = far.release();
  if (fd > 3) ::close_range(3, static_cast<unsigned>(fd) - 1, 0);
  ::close_range(static_cast<unsigned>(fd) + 1, ~0U, 0);
  (void)put_up(Fence{});
  net::Dialer::serve(File(fd), dialing.sockets);
  ::_exit(0);
}

// Here no role is started again without the others.
std::vector<health::Role> one_process_roster(const config::Config& config) {
  std::vector<health::Role> roles;
  for (const Worker& worker : list_workers(config))
    roles.push_back({.role = std::string(to_string(worker.role)),
                     .worker = worker.number,
                     .state = "up",
                     .pid = static_cast<std::uint64_t>(::getpid()),
                     .restarts = 0,
                     .since = Clock::system().now(),
                     .last_end = ""});
  return roles;
}

class Process {
 public:
  enum class Holds { all_roles, one_role };
  Process(const config::Config& config, MakeRole make, std::vector<std::string> own_addresses,
          Holds holds)
      : config_(config),
        make_(make),
        own_addresses_(std::move(own_addresses)),
        pool_(config.store.threads),
        signals_(context_, SIGTERM, SIGINT, SIGHUP),
        is_whole_(holds == Holds::all_roles) {
    std::error_code ignored;
    signals_.add(SIGUSR1, ignored);
    signals_.add(SIGUSR2, ignored);
  }

  void add(RoleKind kind, std::size_t worker, SocketMap sockets) {
    roles_.push_back(make_(kind, RoleSetup{.config = config_,
                                           .executor = context_.get_executor(),
                                           .pool = pool_,
                                           .sockets = std::move(sockets),
                                           .worker = worker,
                                           .own_addresses = own_addresses_}));
  }

  void dial_by(Dialing dialing) {
    dialer_.emplace(context_.get_executor(), std::move(dialing.channel),
                    std::move(dialing.sockets));
  }

  // Where the role says that it works, and is given the log when that was opened anew.
  void obey(File supervisor) {
    supervisor_ = std::move(supervisor);
    if (supervisor_.is_open()) orders_.emplace(context_.get_executor(), supervisor_.fd());
  }

  bool is_restarting() const { return is_restarting_; }  // once it has run

  // Starts the roles in the order they were added; stops them in the opposite one.
  int run(std::function<void()> on_ready) {
    {
      net::Scope scope(context_.get_executor(), Clock::system());
      start_telling(scope);
      scope.spawn(live(this, std::move(on_ready)));
      scope.spawn(measure_lag(this));
      if (orders_) scope.spawn(follow_orders(this));
      context_.run();
      log::record_by(nullptr);
      tellers_.reset();
    }
    roles_.clear();
    pool_.join();
    // What the destructors posted (closing descriptors' last handlers) runs out here.
    context_.restart();
    context_.poll();
    return status_;
  }

 private:
  static net::Awaitable<void> live(Process* self, std::function<void()> on_ready) {
    std::size_t started = 0;
    for (const auto& role : self->roles_) {
      const auto result = co_await role->start();
      ++started;  // also one that failed half-way has begun something that must be stopped
      if (!result) {
        self->log_.error(event::config_refused, {{"error", result.error().what}});
        self->status_ = result.error().kind == ErrorKind::config ? kExitConfig : 1;
        break;
      }
    }
    if (self->status_ == 0) {
      self->log_.info(event::role_started, {{"pid", getpid()}});
      on_ready();
      co_await wait_for_end(self);
      self->log_.info(event::role_stopping, {});
    }
    if (self->roles_.size() > 1) {
      // A second signal does not wait. A role of its own leaves that to the supervisor: at Ctrl-C
      // it is signalled by the terminal and by the supervisor, and that is one stop.
      self->signals_.async_wait([](const std::error_code& error, int signal) {
        if (!error && signal != SIGHUP) ::_exit(1);
      });
      for (const auto& role : self->roles_) role->end_sessions();
    }
    while (started > 0) {
      // Last of all the trail, once it has what the others said.
      if (self->roles_[--started]->kind() == RoleKind::trail) co_await self->tellers_->stop();
      co_await self->roles_[started]->stop();
    }
    co_await self->tellers_->stop();
    std::error_code ignored;
    self->signals_.cancel(ignored);
    self->ended_.close();
    if (self->orders_) self->orders_->release();
    self->log_.info(event::role_stopped, {});
  }

  // What this process logs of mails, the trail is told.
  void start_telling(net::Scope& scope) {
    tellers_.emplace();
    if (!has_trail(config_)) return;
    for (const TrailSource& source : trail_sources())
      if (std::ranges::any_of(roles_,
                              [&](const auto& role) { return role->kind() == source.role; }))
        tellers_->add(std::make_unique<trail::Teller>(
            scope, source.sender, run_socket(config_, trail_socket(source.role))));
    if (tellers_->is_empty()) return;
    tellers_->start();
    log::record_by(&*tellers_);
  }

  // How late the event loop comes to a timer is how long somebody's greeting may have waited.
  static net::Awaitable<void> measure_lag(Process* self) {
    constexpr auto kPause = 500ms;  // an idle server sleeps
    const std::string_view role = to_string(self->roles_.front()->kind());
    std::chrono::milliseconds longest = 0ms;
    while (!self->ended_.is_closed()) {
      const SteadyTime due = Clock::system().steady_now() + kPause;
      co_await self->ended_.wait(due);
      const auto late =
          std::chrono::duration_cast<std::chrono::milliseconds>(Clock::system().steady_now() - due);
      if (self->ended_.is_closed()) co_return;
      metrics::observe(metric::loop_lag, std::max(0ms, late));
      if (late <= longest) continue;
      longest = late;
      metrics::set(metric::loop_lag_longest, longest.count(), role);
    }
  }

  static net::Awaitable<void> follow_orders(Process* self) {
    const int fd = self->supervisor_.fd();
    while (co_await self->orders_->wait(net::SocketWatch::Want::read, SteadyTime::max())) {
      net::Parcel parcel;
      parcel.make_room();
      const ssize_t n = ::recvmsg(fd, &parcel.head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) co_return;
      if (n < 0) continue;
      if (File file = parcel.take(); file.is_open())
        log::write_to(std::move(file));
      else
        self->log_.error(event::log_kept, {{"error", std::strerror(EMFILE)}});
    }
  }

  net::Awaitable<void> reopen_log() {
    const auto opened = co_await pool_.run([] { return log::reopen(); });
    if (!opened)
      log_.error(event::log_kept, {{"error", opened.error().what}});
    else if (*opened)
      log_.info(event::log_reopened, {{"file", config_.log.file}});
  }

  static net::Awaitable<void> wait_for_end(Process* self) {
    while (true) {
      const auto [error, signal] =
          co_await self->signals_.async_wait(asio::experimental::as_tuple(asio::use_awaitable));
      if (error) co_return;
      if (signal == SIGUSR1) {
        for (const auto& role : self->roles_) role->end_sessions();
      } else if (signal == SIGHUP) {
        // A role of its own is one of several: the supervisor has all of them reload together.
        std::vector<Role*> roles;
        for (const auto& role : self->roles_) roles.push_back(role.get());
        if (self->is_whole_) {
          co_await self->reopen_log();
          co_await reload_here(roles);
        }
      } else if (signal != SIGUSR2 || self->is_whole_) {
        self->is_restarting_ = signal == SIGUSR2;
        co_return;
      }
    }
  }

  const config::Config& config_;
  const MakeRole make_;
  std::vector<std::string> own_addresses_;
  asio::io_context context_{1};
  net::BlockingPool pool_;
  asio::signal_set signals_;
  std::optional<net::Dialer> dialer_;
  File supervisor_;
  std::optional<net::SocketWatch> orders_;
  const bool is_whole_;
  bool is_restarting_ = false;
  net::Event ended_{context_.get_executor()};
  std::optional<trail::Tellers> tellers_;
  std::vector<std::unique_ptr<Role>> roles_;
  log::Logger log_;
  int status_ = 0;
};

}  // namespace

int run_role(const config::Config& config, MakeRole make, RoleKind kind, std::size_t worker) {
  auto sockets = take_inherited_sockets();
  File supervisor = take_inherited("POSTHORN_SUPERVISOR_FD");
  Result<> result = sockets ? become(user_of(config, kind), key_group_of(config, kind))
                            : std::unexpected(sockets.error());
  if (result) result = restrict_process();
  auto own_addresses = net::own_addresses();  // no role may ask behind its fence
  if (result)
    result = take_descriptors(fmt::format("the role {}", to_string(kind)),
                              count(*sockets) + kDescriptorsMin);
  std::optional<Dialing> dialing;
  if (result) {
    auto started = start_dialer(config, kind);
    if (started) {
      dialing = *std::move(started);
    } else if (started.error().kind == ErrorKind::temporary) {
      fmt::print(stderr, "posthorn: {}\n", started.error().what);
      return kExitTemporary;
    } else {
      result = std::unexpected(started.error());
    }
  }
  if (result) fence_in(config, kind);
  // Again: the kernel forgets it when the user changes. No role outlives its supervisor.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (!result) {
    log::Logger{}.error(event::config_refused, {{"error", result.error().what}});
    return kExitConfig;
  }
  Process process(config, make, std::move(own_addresses), Process::Holds::one_role);
  if (dialing) process.dial_by(*std::move(dialing));
  const int channel = supervisor.fd();
  process.obey(std::move(supervisor));
  process.add(kind, worker, *std::move(sockets));
  return process.run([channel] {
    if (channel >= 0) (void)!::write(channel, "1", 1);
  });
}

int run_one_process(const config::Config& config, MakeRole make) {
  std::string ports;
  const auto bind_all = [&]() -> Result<std::map<RoleKind, std::map<std::size_t, SocketMap>>> {
    std::map<RoleKind, std::map<std::size_t, SocketMap>> sockets;
    TRY(const auto specs, list_sockets(config));
    TRY_OK(take_descriptors("the server", specs.size() + 5 * kDescriptorsMin));
    TRY(auto inherited, take_inherited_sockets());
    TRY_OK(check_inherited(specs, inherited));
    ports = describe_ports(specs);
    const AdminGroup admins(config);
    for (const SocketSpec& spec : specs) {
      auto socket = take_socket(inherited, spec.name);
      if (!socket) {
        auto bound = net::bind_socket(spec.address, {.mode = spec.mode});
        if (!bound)
          return std::unexpected(explain_bind_failure(config, spec, std::move(bound.error())));
        socket = *std::move(bound);
        if (is_control(spec.name)) admins.let_ask(config.paths.run / spec.name);
      }
      // One edge stands for all its workers here.
      const std::size_t worker = spec.role == RoleKind::store ? spec.worker : 0;
      sockets[spec.role][worker][spec.name].push_back(*std::move(socket));
    }
    return sockets;
  };
  const auto refuse = [](const Error& error) {
    log::Logger{}.error(event::config_refused, {{"error", error.what}});
    fmt::print(stderr, "posthorn: {}\n", error.what);
    return 1;
  };
  if (const auto prepared = prepare_folders(config); !prepared) return refuse(prepared.error());
  auto lock = take_instance_lock(config);
  if (!lock) return refuse(lock.error());
  log_challenge_doubts(config);
  if (const auto kept = keep_running_config(config); !kept)
    log::Logger{}.warn(event::files_unkept, {{"error", kept.error().what}});
  auto sockets = bind_all();
  if (!sockets) return refuse(sockets.error());
  if (const auto restricted = restrict_process(); !restricted) return refuse(restricted.error());
  if (const auto kept = keep_roster(config, one_process_roster(config)); !kept)
    log::Logger{}.warn(event::files_unkept, {{"error", kept.error().what}});
  Process process(config, make, net::own_addresses(), Process::Holds::all_roles);
  for (const RoleKind kind : {RoleKind::trail, RoleKind::lookup, RoleKind::store, RoleKind::queue,
                              RoleKind::edge, RoleKind::web, RoleKind::acme})
    for (auto& [worker, map] : (*sockets)[kind]) process.add(kind, worker, std::move(map));
  const int status = process.run([&ports] {
    fmt::print("posthorn: listens on {}\nposthorn: ready\n", ports);
    std::fflush(stdout);
    notify_systemd("READY=1");
  });
  if (status != 0 || !process.is_restarting()) return status;
  lock->close();
  ::execl("/proc/self/exe", "posthorn", "serve", "--one-process", "-c", config.file.c_str(),
          static_cast<char*>(nullptr));
  return refuse(fail_errno("exec", "/proc/self/exe", errno).error());
}

}  // namespace posthorn::process
