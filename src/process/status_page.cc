#include "process/status_page.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "net/own_loop.h"
#include "process/instance.h"
#include "process/roster.h"
#include "process/running.h"

namespace posthorn::process {
namespace {

constexpr auto kAnswerWithin = 5s;

// Where a certificate is shown, by the role that serves it.
struct Shown {
  std::string_view service;
  RoleKind role;
};
constexpr Shown kShown[] = {
    {"smtp", RoleKind::edge},  {"submission", RoleKind::edge},  {"submissions", RoleKind::edge},
    {"imap", RoleKind::edge},  {"imaps", RoleKind::edge},       {"pop3", RoleKind::edge},
    {"pop3s", RoleKind::edge}, {"managesieve", RoleKind::edge}, {"https", RoleKind::web},
};

std::vector<std::string> services_of(RoleKind role, const health::Page& page) {
  std::vector<std::string> services;
  for (const Shown& shown : kShown)
    if (shown.role == role &&
        std::ranges::find(page.ports, shown.service, &health::Port::service) != page.ports.end())
      services.emplace_back(shown.service);
  return services;
}

void add_running(const config::Config& config, health::Page& page) {
  page.is_running = true;
  page.hostname = config.server.hostname;
  page.config_file = config.file.native();
  const auto running = find_running(config);
  if (!running) return;
  page.version = running->version;
  page.pid = static_cast<std::uint64_t>(std::max(0, running->pid));
  page.since = running->since;
  for (const auto& [service, address] : running->listens) page.ports.push_back({service, address});
}

// The supervisor knows whether it lives, and only itself whether it works.
void add_role(const Answer& answer, health::Page& page) {
  std::string name(to_string(answer.role));
  auto role = std::ranges::find_if(page.roles, [&](const health::Role& one) {
    return one.role == name && one.worker == answer.worker;
  });
  if (role == page.roles.end())
    role = page.roles.insert(role, {.role = name, .worker = answer.worker, .state = "up"});
  if (!answer.told && role->state == "up") role->state = "silent";
  if (answer.worker > 0) name += fmt::format("-{}", answer.worker);
  // Mail needs all of them but the trail.
  const bool is_needed = answer.role != RoleKind::trail && answer.role != RoleKind::acme;
  const char* without = is_needed ? "red" : "warning";
  page.checks.push_back(
      {"role." + name, answer.told ? "ok" : without, answer.told ? "" : answer.told.error().what});
}

void add_spamd(const config::Config& config, health::Page& page) {
  page.spamd = {.state = config.filter.spamd.empty() ? "off" : "unknown",
                .reason = "",
                .address = config.filter.spamd};
  for (const health::Check& check : page.checks)
    if (check.name == "spamd") {
      page.spamd.state = check.state == "ok" ? "up" : "down";
      page.spamd.reason = check.detail;
    }
}

metrics::Snapshot sum_of(const std::vector<Answer>& answers) {
  metrics::Snapshot sum{};
  std::set<std::string, std::less<>> counted;
  for (const Answer& answer : answers)
    if (answer.told && counted.emplace(answer.told->pid).second)
      metrics::merge(sum, answer.told->metrics);
  return sum;
}

// What users taught and spamd is still to learn.
void add_lessons(const config::Config& config, const metrics::Snapshot& counted,
                 health::Page& page) {
  if (!has_lessons(config)) return;
  const auto number = [](std::int64_t value) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, value));
  };
  health::Lessons lessons{.waiting = number(metrics::find(counted, metric::lessons_waiting))};
  for (const std::string_view what : metrics::kMailClassValues) {
    lessons.learned += number(metrics::find(counted, metric::lessons, "learned", what));
    lessons.dropped += number(metrics::find(counted, metric::lessons, "dropped", what));
  }
  page.lessons = lessons;
}

// How much of it was lost is counted by those who told it.
void add_trail(const config::Config& config, const metrics::Snapshot& counted, health::Page& page) {
  if (!has_trail(config)) page.trail.state = "off";
  page.trail.reason = config.trail.hindrance;
  page.trail.dropped = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, metrics::find(counted, metric::trail_dropped)));
}

void add_acme(const config::Config& config, health::Page& page) {
  if (has_acme(config)) return;
  page.acme.state = "off";
  page.acme.reason = config.acme.hindrance;
}

net::Awaitable<void> ask_one(net::LineChannel* channel, Answer* answer) {
  answer->told = co_await ask_report(*channel, Clock::system().steady_now() + kAnswerWithin);
  channel->close();
}

std::vector<Answer> ask_all(const config::Config& config) {
  std::vector<Answer> answers;
  std::vector<std::string> names;
  const auto specs = list_sockets(config);
  for (const SocketSpec& spec : specs ? *specs : std::vector<SocketSpec>{}) {
    if (!spec.name.ends_with(".reload.sock")) continue;
    answers.push_back({.role = spec.role, .worker = spec.worker});
    names.push_back(spec.name);
  }
  net::OwnLoop loop;
  std::vector<std::unique_ptr<net::LineChannel>> channels;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    channels.push_back(
        std::make_unique<net::LineChannel>(loop.scope(), run_socket(config, names[i])));
    loop.scope().spawn(ask_one(channels.back().get(), &answers[i]));
  }
  loop.run();
  return answers;
}

}  // namespace

health::Page make_page(const config::Config& config, const std::vector<Answer>& answers) {
  health::Page page;
  add_running(config, page);
  page.roles = find_roster(config);
  for (const Answer& answer : answers) add_role(answer, page);
  for (const Answer& answer : answers) {
    if (!answer.told) continue;
    for (const health::Check& check : answer.told->checks) add_check(page.checks, check);
    health::take({.role = to_string(answer.role), .services = services_of(answer.role, page)},
                 answer.told->facts, page);
    for (const config::Finding& finding : answer.told->findings)
      if (std::ranges::find(page.findings, finding) == page.findings.end())
        page.findings.push_back(finding);
  }
  add_spamd(config, page);
  const metrics::Snapshot counted = sum_of(answers);
  add_lessons(config, counted, page);
  add_trail(config, counted, page);
  add_acme(config, page);
  return page;
}

Result<health::Page> ask_page(const config::Config& config) {
  TRY(const auto pid, find_instance(config));
  if (!pid) return health::Page{};
  health::Page page = make_page(config, ask_all(config));
  page.pid = static_cast<std::uint64_t>(*pid);
  page.changed_keys = find_changed_keys(config);
  return page;
}

metrics::Snapshot ask_metrics(const config::Config& config) {
  return sum_of(ask_all(config));
}

}  // namespace posthorn::process
