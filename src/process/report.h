// What a role tells of itself: to the web role over its socket, and to whoever asks on the command
// line over the one of reloads. "checks" gives its checks and its facts for the status page,
// "status" the findings of its files, "metrics" the cells of its process. None holds a secret; what
// strangers said comes cut to a size, as data.
#pragma once

#include <functional>

#include "base/metrics.h"
#include "health/page.h"
#include "net/watched_files.h"
#include "process/listeners.h"
#include "process/role.h"

namespace posthorn::process {

// Checks, facts and gauges are looked at only when somebody asks.
struct Report {
  std::function<net::Awaitable<std::vector<health::Check>>()> checks = {};
  std::function<net::Awaitable<health::Facts>()> facts = {};
  std::function<net::Awaitable<void>()> measure = {};
  // Further questions that the role takes from the web role; nullopt: not this one.
  std::function<net::Awaitable<std::optional<net::Message>>(net::Message)> answer = {};
};

// Answers on the role's sockets for the web role, of all workers that are in this process; none if
// there is no web role. The role outlives the scope.
void serve_report(net::Scope& scope, Listeners& listeners, Role& role);

// The answer to one of the three questions; nullopt: it is none of them. A role without a report
// has no checks and no facts. Roles that share a process share its cells.
net::Awaitable<std::optional<net::Message>> answer_about(Role& role, const net::Message& request);
// The answer to "checks", and back: check= state= detail= for each.
net::Awaitable<net::Message> tell_checks(const Report* report);
Result<std::vector<health::Check>> read_checks(const net::Message& answer);
// Puts it among those of other processes: of several that have the same one, the worst counts.
void add_check(std::vector<health::Check>& checks, health::Check check);
// Red with a fault in the files, for what was in use before serves.
health::Check check_files(const net::WatchedFiles& files, std::string name);
// The room on a disk, among the facts of who owns the folder; nothing where it cannot be looked at.
// needs: below it no mail is taken. Blocks.
void add_disk(health::Facts& facts, std::string name, const Path& path, config::Bytes needs);
// Findings in an answer, and back, each once: several processes read the same certificate.
void add_findings(net::Message& told, const config::Findings& findings);
void take_findings(const net::Message& answer, config::Findings& findings);

struct Told {  // by one process
  std::string pid;
  metrics::Snapshot metrics{};
  std::vector<health::Check> checks;
  health::Facts facts;
  config::Findings findings;
};
// Asks for all three. An Error: the role does not answer, or is of another version.
net::Task<Told> ask_report(net::LineChannel& channel, SteadyTime deadline);

}  // namespace posthorn::process
