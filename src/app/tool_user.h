// `posthorn user …`: keeps conf/users and maps/mailboxes in step.
#pragma once

#include <string>

#include "base/config.h"

namespace posthorn::app {

enum class UserAction { add, passwd, remove, list };

struct UserOptions {
  UserAction action = UserAction::list;
  std::string address;
  bool password_stdin = false;
  std::string scheme;
};

int run_user_tool(const config::Config& config, const UserOptions& options);

}  // namespace posthorn::app
