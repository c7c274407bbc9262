// `posthorn user …`: keeps accounts and mailboxes in step, in the files or in PostgreSQL, whichever
// the configuration names.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"

namespace posthorn::tools {

enum class UserAction { add, passwd, remove, list };

struct UserOptions {
  UserAction action = UserAction::list;
  std::string address;
  bool password_stdin = false;
  std::optional<std::string> password = {};  // known already: it is not asked for
  std::string scheme;
  bool with_references = false;  // remove: out of aliases and senders, too
};

int run_user_tool(const config::Config& config, const UserOptions& options);

}  // namespace posthorn::tools
