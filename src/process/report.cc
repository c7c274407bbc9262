#include "process/report.h"

#include <unistd.h>

namespace posthorn::process {
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

void serve_report(net::Scope& scope, Listeners& listeners, RoleKind role, const Report& report) {
  const std::string prefix = std::string(to_string(role)) + "-";
  for (const std::string& name : listeners.names())
    if (name.starts_with(prefix) && name.ends_with(".web.sock"))
      listeners.answer(scope, name, [&report](net::Message request) {
        return answer_report(&report, std::move(request));
      });
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

}  // namespace posthorn::process
