// The status page, gathered: what every process of the server tells of itself, what the supervisor
// keeps account of, and what the server was started with.
#pragma once

#include "process/report.h"

namespace posthorn::process {

// One process of the server, and what it told or why it did not.
struct Answer {
  RoleKind role;
  std::size_t worker = 0;
  Result<Told> told = fail(ErrorKind::closed, "no answer");
};
// Of a server that runs.
health::Page make_page(const config::Config& config, const std::vector<Answer>& answers);
// Asks them all at once. A server that does not run gives a page that says so; an Error: whether
// it runs is not for the caller to see. Blocks.
Result<health::Page> ask_page(const config::Config& config);
// What its processes have counted since they were started, added up; of those that answer. Blocks.
metrics::Snapshot ask_metrics(const config::Config& config);

}  // namespace posthorn::process
