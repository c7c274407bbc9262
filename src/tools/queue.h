// `posthorn queue …`: looks at the running queue and changes it, over its control socket.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

enum class QueueAction { list, mailq, show, retry, hold, release, remove };

struct QueueOptions {
  QueueAction action = QueueAction::list;
  std::string id;
  bool all = false;
  bool json = false;
};

int run_queue_tool(const config::Config& config, const QueueOptions& options);

}  // namespace posthorn::tools
