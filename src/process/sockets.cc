#include "process/sockets.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/placement.h"

namespace posthorn::process {

std::string_view to_string(RoleKind kind) {
  switch (kind) {
    case RoleKind::edge:
      return "edge";
    case RoleKind::lookup:
      return "lookup";
    case RoleKind::queue:
      return "queue";
    case RoleKind::store:
      return "store";
    case RoleKind::web:
      return "web";
    case RoleKind::trail:
      return "trail";
    case RoleKind::acme:
      return "acme";
  }
  return "edge";
}

std::string user_of(const config::Config& config, RoleKind role) {
  switch (role) {
    case RoleKind::edge:
      return config.users.edge;
    case RoleKind::lookup:
      return config.users.lookup;
    case RoleKind::queue:
      return config.users.queue;
    case RoleKind::store:
      return config.users.store;
    case RoleKind::web:
      return config.users.web;
    case RoleKind::trail:
      return config.users.trail;
    case RoleKind::acme:
      return config.users.acme;
  }
  return config.users.edge;
}

KeyGroup key_group_of(const config::Config& config, RoleKind role) {
  return {.name = config.users.tls_group,
          .is_member = role == RoleKind::edge || role == RoleKind::acme ||
                       (role == RoleKind::web && !config.listen.https.empty())};
}

std::optional<RoleKind> find_role(std::string_view name) {
  for (const RoleKind kind : kRoleKinds)
    if (name == to_string(kind)) return kind;
  return std::nullopt;
}

bool has_trail(const config::Config& config) {
  return config.trail.enabled && config.trail.hindrance.empty();
}

void look_for_trail_account(config::Config& config) {
  if (!config.trail.enabled || find_account(config.users.trail) || !find_account(config.users.edge))
    return;
  config.trail.hindrance =
      fmt::format("there is no system account {} (users.trail)", config.users.trail);
}

bool has_acme(const config::Config& config) {
  return !config.acme.directory.empty() && config.acme.hindrance.empty();
}

void look_for_acme_account(config::Config& config) {
  if (config.acme.directory.empty() || find_account(config.users.acme) ||
      !find_account(config.users.edge))
    return;
  config.acme.hindrance =
      fmt::format("there is no system account {} (users.acme)", config.users.acme);
}

Path trail_folder(const config::Config& config) {
  return config.paths.state / "trail";
}

std::span<const TrailSource> trail_sources() {
  static constexpr TrailSource kSources[] = {{RoleKind::edge, log::kEdge},
                                             {RoleKind::lookup, log::kLookup},
                                             {RoleKind::queue, log::kQueue},
                                             {RoleKind::store, log::kStore}};
  return kSources;
}

std::string trail_socket(RoleKind source) {
  return fmt::format("trail-{}.sock", to_string(source));
}

net::Address run_socket(const config::Config& config, std::string_view name) {
  return net::UnixAddress{config.paths.run / name};
}

net::Task<net::Address> LocalPlacement::find_address(std::string account,
                                                     net::AccountService service) const {
  const std::size_t worker = worker_of(account, config_.store.workers);
  co_return run_socket(config_, fmt::format("store-{}.{}.sock", worker, to_string(service)));
}

bool has_web(const config::Config& config) {
  return !config.listen.http.empty() || !config.listen.https.empty();
}

bool has_lessons(const config::Config& config) {
  return config.filter.learn != config::Learn::off && !config.filter.spamd.empty();
}

std::vector<Worker> list_workers(const config::Config& config) {
  std::vector<Worker> workers;
  const auto add = [&](RoleKind role, std::size_t count) {
    for (std::size_t number = 0; number < count; ++number) workers.push_back({role, number});
  };
  add(RoleKind::trail, has_trail(config) ? 1 : 0);
  add(RoleKind::lookup, 1);
  add(RoleKind::store, config.store.workers);
  add(RoleKind::queue, 1);
  add(RoleKind::edge, config.edge.workers);
  add(RoleKind::web, has_web(config) ? 1 : 0);
  add(RoleKind::acme, has_acme(config) ? 1 : 0);
  return workers;
}

std::string web_socket(RoleKind role, std::size_t worker) {
  return fmt::format("{}-{}.web.sock", to_string(role), worker);
}

namespace {

// Those of the outside world.
Result<> add_ports(const config::Config& config, std::vector<SocketSpec>& specs) {
  const std::pair<std::string_view, const std::vector<std::string>*> outside[] = {
      {"smtp", &config.listen.smtp},
      {"submission", &config.listen.submission},
      {"submissions", &config.listen.submissions},
      {"imap", &config.listen.imap},
      {"imaps", &config.listen.imaps},
      {"pop3", &config.listen.pop3},
      {"pop3s", &config.listen.pop3s},
      {"managesieve", &config.listen.managesieve},
      {"lmtp", &config.listen.lmtp},
      {"http", &config.listen.http},
      {"https", &config.listen.https},
  };
  for (const auto& [name, addresses] : outside) {
    for (const std::string& text : *addresses) {
      auto address = net::parse_address(text);
      if (!address)
        return fail(ErrorKind::config,
                    fmt::format("{}: listen.{}: {}", config::place_of(config, "listen", name), name,
                                address.error().what));
      const RoleKind role = name.starts_with("http") ? RoleKind::web : RoleKind::edge;
      specs.push_back({std::string(name), *std::move(address), role, kAllWorkers, std::nullopt});
    }
  }
  return {};
}

}  // namespace

Result<std::vector<SocketSpec>> list_sockets(const config::Config& config) {
  std::vector<SocketSpec> specs;
  const auto inside = [&](std::string name, RoleKind role, std::optional<RoleKind> client,
                          std::size_t worker = 0) {
    specs.push_back({name, run_socket(config, name), role, worker, client});
  };
  inside("lookup-edge.sock", RoleKind::lookup, RoleKind::edge);
  inside("lookup-queue.sock", RoleKind::lookup, RoleKind::queue);
  inside("lookup-store.sock", RoleKind::lookup, RoleKind::store);
  inside("lookup-control.sock", RoleKind::lookup, std::nullopt);
  inside("queue-edge.lmtp.sock", RoleKind::queue, RoleKind::edge);
  inside("queue-edge.names.sock", RoleKind::queue, RoleKind::edge);
  inside("queue-store.lmtp.sock", RoleKind::queue, RoleKind::store);
  if (has_lessons(config)) inside("queue-learn.lmtp.sock", RoleKind::queue, RoleKind::store);
  inside("queue-control.sock", RoleKind::queue, std::nullopt);
  if (config.submission.programs != config::Programs::off) {
    inside("submit.sock", RoleKind::queue, std::nullopt, kAllWorkers);
    specs.back().mode = 0666;
  }
  inside("tap-queue.sock", RoleKind::queue, std::nullopt);
  if (has_trail(config)) {
    for (const TrailSource& source : trail_sources())
      inside(trail_socket(source.role), RoleKind::trail, source.role);
    inside("trail-control.sock", RoleKind::trail, std::nullopt);
  }
  if (has_acme(config)) {
    inside("lookup-acme.sock", RoleKind::lookup, RoleKind::acme);
    inside("queue-acme.sock", RoleKind::queue, RoleKind::acme);
    if (has_web(config)) inside("web-acme.sock", RoleKind::web, RoleKind::acme);
    inside("acme-control.sock", RoleKind::acme, std::nullopt);
  }
  for (const auto& [role, number] : list_workers(config)) {
    const auto own = [&](std::string_view name, std::optional<RoleKind> client) {
      inside(fmt::format("{}-{}.{}.sock", to_string(role), number, name), role, client, number);
    };
    own("reload", std::nullopt);
    if (has_web(config) && role != RoleKind::web) own("web", RoleKind::web);
    if (role == RoleKind::edge)
      inside(fmt::format("tap-{}.sock", number), role, std::nullopt, number);
    if (role != RoleKind::store) continue;
    own("lmtp", RoleKind::queue);
    own("imap", RoleKind::edge);
    own("pop3", RoleKind::edge);
    own("managesieve", RoleKind::edge);
    own("quota", RoleKind::lookup);
    own("control", std::nullopt);
  }
  TRY_OK(add_ports(config, specs));
  return specs;
}

Result<SocketMap> take_inherited_sockets() {
  constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
  SocketMap sockets;
  const char* count_text = std::getenv("LISTEN_FDS");
  const char* names_text = std::getenv("LISTEN_FDNAMES");
  const char* pid_text = std::getenv("LISTEN_PID");
  if (count_text == nullptr || pid_text == nullptr || std::atol(pid_text) != getpid())
    return sockets;
  const int count = to_number<int>(count_text).value_or(-1);
  if (count < 0) return fail(ErrorKind::config, "LISTEN_FDS is not a number");
  std::string_view names = names_text == nullptr ? "" : names_text;
  for (int fd = kFirst; fd < kFirst + count; ++fd) {
    const std::size_t colon = names.find(':');
    const std::string_view name = names.substr(0, colon);
    names.remove_prefix(colon == std::string_view::npos ? names.size() : colon + 1);
    struct stat st{};
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fstat(fd, &st) != 0)
      return fail_errno(fmt::format("LISTEN_FDS: descriptor {}", fd), std::string(name), errno);
    if (!S_ISSOCK(st.st_mode))
      return fail(ErrorKind::config,
                  fmt::format("LISTEN_FDS: descriptor {} ({}) is no socket", fd, name));
    sockets[std::string(name)].emplace_back(fd);
  }
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  unsetenv("LISTEN_PID");
  return sockets;
}

File take_inherited(const char* variable) {
  const char* text = std::getenv(variable);
  const int fd = text == nullptr ? -1 : to_number<int>(text).value_or(-1);
  unsetenv(variable);
  if (fd <= STDERR_FILENO || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return {};
  return File(fd);
}

Result<> check_inherited(const std::vector<SocketSpec>& specs, const SocketMap& inherited) {
  for (const auto& [name, sockets] : inherited) {
    const auto wanted = std::ranges::count(specs, name, &SocketSpec::name);
    if (static_cast<std::size_t>(wanted) < sockets.size())
      return fail(ErrorKind::config,
                  fmt::format("LISTEN_FDNAMES holds \"{}\" {} times, but [listen] has {}", name,
                              sockets.size(), wanted));
  }
  return {};
}

std::optional<File> take_socket(SocketMap& inherited, const std::string& name) {
  const auto found = inherited.find(name);
  if (found == inherited.end() || found->second.empty()) return std::nullopt;
  File socket = std::move(found->second.front());
  found->second.erase(found->second.begin());
  return socket;
}

}  // namespace posthorn::process
