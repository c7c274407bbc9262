// What a role tells the web role over its socket: "metrics" gives the cells of its process,
// "health" its checks. Both hold no secret and no text of a stranger.
#pragma once

#include <functional>

#include "base/metrics.h"
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

struct Told {  // by one process
  std::string pid;
  metrics::Snapshot metrics{};
  std::vector<web::Check> checks;
};
// Asks for both. An Error: the role does not answer, or is of another version.
net::Task<Told> ask_report(net::LineChannel& channel, SteadyTime deadline);

}  // namespace posthorn::process
