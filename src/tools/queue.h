// `posthorn queue …`: looks at the running queue and changes it, over its control socket.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

enum class QueueAction { list, mailq, show, retry, hold, release, remove };

// As they were written: the queue reads them (queue/selection.h).
struct QueueFilters {
  std::optional<std::string> from, to, domain, relay, reason, state, older;
  bool is_empty() const { return !from && !to && !domain && !relay && !reason && !state && !older; }
};

struct QueueOptions {
  QueueAction action = QueueAction::list;
  std::vector<std::string> ids;  // "-": they stand in standard input
  QueueFilters filters;
  bool all = false;
  bool json = false;
  bool yes = false;
};

int run_queue_tool(const config::Config& config, const QueueOptions& options);
// As sendmail -q and postqueue -f do it: nothing is told but what went wrong.
int retry_whole_queue(const config::Config& config);

}  // namespace posthorn::tools
