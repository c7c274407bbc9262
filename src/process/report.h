// What a role tells of itself: to the web role over its socket, where "metrics" gives the cells of
// its process and "health" its checks, and the checks to whoever asks on the command line. Neither
// holds a secret or a stranger's text.
#pragma once

#include <functional>

#include "base/metrics.h"
#include "net/watched_files.h"
#include "process/listeners.h"
#include "web/pages.h"

namespace posthorn::process {

// Checks and gauges are looked at only when somebody asks.
struct Report {
  std::function<net::Awaitable<std::vector<web::Check>>()> checks;
  std::function<net::Awaitable<void>()> measure = {};
  // Further questions that the role takes from the web role; nullopt: not this one.
  std::function<net::Awaitable<std::optional<net::Message>>(net::Message)> answer = {};
};

// Answers on the role's sockets for the web role, of all workers that are in this process; none if
// there is no web role. The report outlives the scope.
void serve_report(net::Scope& scope, Listeners& listeners, RoleKind role, const Report& report);

// The answer with all its checks, and back: check= state= detail= for each. A report that is not
// there has none.
net::Awaitable<net::Message> tell_checks(const Report* report);
// What the role's process has counted: pid= cells=. Roles that share one share its cells.
net::Awaitable<net::Message> tell_metrics(const Report* report);
Result<std::vector<web::Check>> read_checks(const net::Message& answer);
// Puts it among those of other processes: of several that have the same one, the worst counts.
void add_check(std::vector<web::Check>& checks, web::Check check);
// Red with a fault in the files, for what was in use before serves.
web::Check check_files(const net::WatchedFiles& files, std::string name);

struct Told {  // by one process
  std::string pid;
  metrics::Snapshot metrics{};
  std::vector<web::Check> checks;
};
// Asks for both. An Error: the role does not answer, or is of another version.
net::Task<Told> ask_report(net::LineChannel& channel, SteadyTime deadline);

}  // namespace posthorn::process
