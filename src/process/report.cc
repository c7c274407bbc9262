#include "process/report.h"

#include <algorithm>
#include <unistd.h>

namespace posthorn::process {
namespace {

net::Awaitable<net::Message> answer_report(const Report* report, net::Message request) {
  if (request.verb == "metrics") co_return co_await tell_metrics(report);
  if (request.verb == "health") co_return co_await tell_checks(report);
  if (report->answer)
    if (auto answer = co_await report->answer(std::move(request))) co_return *std::move(answer);
  co_return net::Message("temporary").add("error", "not a question for this socket");
}

}  // namespace

void serve_report(net::Scope& scope, Listeners& listeners, RoleKind role, const Report& report) {
  listeners.answer(scope, role, "web", [&report](net::Message request) {
    return answer_report(&report, std::move(request));
  });
}

net::Awaitable<net::Message> tell_metrics(const Report* report) {
  if (report != nullptr && report->measure) co_await report->measure();
  // By the pid, what is shared is counted once.
  co_return net::Message("ok")
      .add("pid", std::to_string(getpid()))
      .add("cells", metrics::to_line(metrics::read()));
}

net::Awaitable<net::Message> tell_checks(const Report* report) {
  net::Message answer("ok");
  if (report != nullptr)
    for (const web::Check& check : co_await report->checks())
      answer.add("check", check.name).add("state", check.state).add("detail", check.detail);
  co_return answer;
}

Result<std::vector<web::Check>> read_checks(const net::Message& answer) {
  const auto names = answer.all("check");
  const auto states = answer.all("state");
  const auto details = answer.all("detail");
  if (answer.verb != "ok" || names.size() != states.size() || names.size() != details.size())
    return fail(ErrorKind::protocol, "a strange answer");
  std::vector<web::Check> checks;
  for (std::size_t i = 0; i < names.size(); ++i)
    checks.push_back({std::string(names[i]), std::string(states[i]), std::string(details[i])});
  return checks;
}

void add_check(std::vector<web::Check>& checks, web::Check check) {
  const auto same = std::ranges::find(checks, check.name, &web::Check::name);
  if (same == checks.end())
    checks.push_back(std::move(check));
  else if (same->state == "ok" || check.state == "red")
    *same = std::move(check);
}

web::Check check_files(const net::WatchedFiles& files, std::string name) {
  for (const config::Finding& finding : files.findings())
    if (finding.weight == config::Weight::fault)
      return {std::move(name), "red", finding.text().substr(0, 500)};
  return {std::move(name), "ok", ""};
}

net::Task<Told> ask_report(net::LineChannel& channel, SteadyTime deadline) {
  Told told;
  CO_TRY(const auto health, co_await channel.ask(net::Message("health"), deadline));
  CO_TRY(told.checks, read_checks(health));
  CO_TRY(const auto cells, co_await channel.ask(net::Message("metrics"), deadline));
  told.pid = cells.get("pid");
  CO_TRY(told.metrics, metrics::parse_line(cells.get("cells")));
  co_return told;
}

}  // namespace posthorn::process
