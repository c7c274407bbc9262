// Who may say which command. It is for a clear word before anything is tried; what enforces it are
// the modes of files and sockets, and at the sockets process/control_rights.h.
#pragma once

#include <string_view>

#include "config/config.h"

namespace posthorn::app {

enum class ForWhom {
  root,    // and the account that the server runs as: it changes something, or opens users' mail
  admins,  // members of users.admin_group, too: it shows what the running server tells
  all      // it reads what everybody may
};
// "queue list"; one that nobody thought of is root's.
ForWhom for_whom(std::string_view command);

// True, and said in one sentence: the instance is not ours to say that of.
bool is_closed_to_us(const config::Config& config, ForWhom whom);

}  // namespace posthorn::app
