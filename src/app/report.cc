#include "app/report.h"

#include <unistd.h>

namespace posthorn::app {
namespace {

net::Awaitable<net::Message> answer_report(const Report* report, net::Message request) {
  if (request.verb == "metrics") {
    if (report->measure) co_await report->measure();
    // Roles that share a process share its cells: by the pid they are counted once.
    co_return net::Message("ok")
        .add("pid", std::to_string(getpid()))
        .add("cells", metrics::to_line(metrics::read()));
  }
  if (request.verb == "health") {
    net::Message answer("ok");
    for (const web::Check& check : co_await report->checks())
      answer.add("check", check.name).add("state", check.state).add("detail", check.detail);
    co_return answer;
  }
  if (report->answer)
    if (auto answer = co_await report->answer(std::move(request))) co_return *std::move(answer);
  co_return net::Message("temporary").add("error", "not a question for this socket");
}

}  // namespace

std::vector<std::unique_ptr<net::Listener>> serve_report(net::Scope& scope, SocketMap& sockets,
                                                         RoleKind role, const Report& report) {
  std::vector<std::unique_ptr<net::Listener>> listeners;
  const std::string prefix = std::string(to_string(role)) + "-";
  for (auto& [name, files] : sockets) {
    if (!name.starts_with(prefix) || !name.ends_with(".web.sock")) continue;
    for (File& socket : files) {
      listeners.push_back(std::make_unique<net::Listener>(
          scope, std::move(socket), net::Listener::Options{.name = name, .refusal = {}},
          [&scope, &report](net::StreamPtr stream) {
            return net::serve_lines(scope, std::move(stream), [&report](net::Message request) {
              return answer_report(&report, std::move(request));
            });
          }));
      listeners.back()->start();
    }
  }
  return listeners;
}

net::Task<Told> ask_report(net::LineChannel& channel, SteadyTime deadline) {
  Told told;
  CO_TRY(const auto health, co_await channel.ask(net::Message("health"), deadline));
  const auto names = health.all("check");
  const auto states = health.all("state");
  const auto details = health.all("detail");
  if (health.verb != "ok" || names.size() != states.size() || names.size() != details.size())
    co_return fail(ErrorKind::protocol, "a strange answer");
  for (std::size_t i = 0; i < names.size(); ++i)
    told.checks.push_back({std::string(names[i]), std::string(states[i]), std::string(details[i])});
  CO_TRY(const auto cells, co_await channel.ask(net::Message("metrics"), deadline));
  told.pid = cells.get("pid");
  CO_TRY(told.metrics, metrics::parse_line(cells.get("cells")));
  co_return told;
}

}  // namespace posthorn::app
