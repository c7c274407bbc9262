// `posthorn ban …`: who may not log in now, and the operator's say in it, over the lookup role's
// control socket.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

enum class BanAction { list, add, remove };

struct BanOptions {
  BanAction action = BanAction::list;
  std::string address;
  std::string time;  // "30s", "10m", "2h", "7d"; empty: auth.ban
};

int run_ban_tool(const config::Config& config, const BanOptions& options);

}  // namespace posthorn::tools
