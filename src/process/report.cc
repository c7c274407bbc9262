#include "process/report.h"

#include <algorithm>
#include <filesystem>
#include <unistd.h>

namespace posthorn::process {
namespace {

constexpr std::size_t kToldMax = net::kLineMax / 2;  // bytes of findings, or of facts, in an answer

net::Awaitable<net::Message> answer_web(Role* role, net::Message request) {
  if (auto answer = co_await answer_about(*role, request)) co_return *std::move(answer);
  if (const Report* report = role->report(); report != nullptr && report->answer)
    if (auto answer = co_await report->answer(std::move(request))) co_return *std::move(answer);
  co_return net::Message("temporary").add("error", "not a question for this socket");
}

config::Weight weight_of(std::string_view text) {
  return text == "fault"     ? config::Weight::fault
         : text == "warning" ? config::Weight::warning
                             : config::Weight::note;
}

net::Awaitable<net::Message> tell_metrics(const Report* report) {
  if (report != nullptr && report->measure) co_await report->measure();
  // By the pid, what is shared is counted once.
  co_return net::Message("ok")
      .add("pid", std::to_string(getpid()))
      .add("cells", metrics::to_line(metrics::read()));
}

net::Message tell_findings(Role& role) {
  net::Message told("ok");
  config::Findings findings =
      role.files() != nullptr ? role.files()->findings() : config::Findings();
  std::ranges::move(role.other_findings(), std::back_inserter(findings));
  add_findings(told, findings);
  return told;
}

}  // namespace

void serve_report(net::Scope& scope, Listeners& listeners, Role& role) {
  listeners.answer(scope, role.kind(), "web",
                   [&role](net::Message request) { return answer_web(&role, std::move(request)); });
}

net::Awaitable<std::optional<net::Message>> answer_about(Role& role, const net::Message& request) {
  if (request.verb == "metrics") co_return co_await tell_metrics(role.report());
  if (request.verb == "checks") co_return co_await tell_checks(role.report());
  if (request.verb == "status") co_return tell_findings(role);
  co_return std::nullopt;
}

net::Awaitable<net::Message> tell_checks(const Report* report) {
  net::Message answer("ok");
  if (report == nullptr) co_return answer;
  if (report->checks)
    for (const health::Check& check : co_await report->checks())
      answer.add("check", check.name).add("state", check.state).add("detail", check.detail);
  if (!report->facts) co_return answer;
  std::size_t bytes = 0;
  for (const auto& [key, value] : co_await report->facts()) {
    bytes += key.size() + value.size() + 2;
    if (bytes > kToldMax) break;
    answer.add(key, value);
  }
  co_return answer;
}

Result<std::vector<health::Check>> read_checks(const net::Message& answer) {
  const auto names = answer.all("check");
  const auto states = answer.all("state");
  const auto details = answer.all("detail");
  if (answer.verb != "ok" || names.size() != states.size() || names.size() != details.size())
    return fail(ErrorKind::protocol, "a strange answer");
  std::vector<health::Check> checks;
  for (std::size_t i = 0; i < names.size(); ++i)
    checks.push_back({std::string(names[i]), std::string(states[i]), std::string(details[i])});
  return checks;
}

void add_check(std::vector<health::Check>& checks, health::Check check) {
  const auto same = std::ranges::find(checks, check.name, &health::Check::name);
  if (same == checks.end())
    checks.push_back(std::move(check));
  else if (same->state == "ok" || check.state == "red")
    *same = std::move(check);
}

health::Check check_files(const net::WatchedFiles& files, std::string name) {
  for (const config::Finding& finding : files.findings())
    if (finding.weight == config::Weight::fault)
      return {std::move(name), "red", finding.text().substr(0, 500)};
  return {std::move(name), "ok", ""};
}

void add_disk(health::Facts& facts, std::string name, const Path& path, config::Bytes needs) {
  std::error_code error;
  const auto room = std::filesystem::space(path, error);
  if (!error)
    health::add(facts, health::Disk{.name = std::move(name),
                                    .path = path.native(),
                                    .free = room.available,
                                    .total = room.capacity,
                                    .needs = needs});
}

void add_findings(net::Message& told, const config::Findings& findings) {
  std::size_t bytes = 0;
  for (const config::Finding& finding : findings) {
    bytes += 100 + finding.text().size();
    if (bytes > kToldMax) break;
    told.add("weight", std::string(to_string(finding.weight)))
        .add("where", finding.where)
        .add("reason", finding.reason)
        .add("remedy", finding.remedy);
  }
}

void take_findings(const net::Message& answer, config::Findings& findings) {
  const auto weights = answer.all("weight");
  const auto places = answer.all("where");
  const auto reasons = answer.all("reason");
  const auto remedies = answer.all("remedy");
  for (std::size_t i = 0;
       i < weights.size() && i < places.size() && i < reasons.size() && i < remedies.size(); ++i) {
    config::Finding finding{std::string(places[i]), std::string(reasons[i]),
                            std::string(remedies[i]), weight_of(weights[i])};
    if (std::ranges::find(findings, finding) == findings.end())
      findings.push_back(std::move(finding));
  }
}

net::Task<Told> ask_report(net::LineChannel& channel, SteadyTime deadline) {
  Told told;
  CO_TRY(auto answer, co_await channel.ask(net::Message("checks"), deadline));
  CO_TRY(told.checks, read_checks(answer));
  told.facts = std::move(answer.fields);
  CO_TRY(const auto findings, co_await channel.ask(net::Message("status"), deadline));
  take_findings(findings, told.findings);
  CO_TRY(const auto cells, co_await channel.ask(net::Message("metrics"), deadline));
  told.pid = cells.get("pid");
  CO_TRY(told.metrics, metrics::parse_line(cells.get("cells")));
  co_return told;
}

}  // namespace posthorn::process
