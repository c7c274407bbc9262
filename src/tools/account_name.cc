#include "tools/account_name.h"

#include "message/mailbox_address.h"

namespace posthorn::tools {

std::string complete_account_name(const config::Config& config, std::string_view given) {
  std::string name = message::to_lower(given);
  if (name.find('@') == std::string::npos && !config.server.default_domain.empty())
    name += "@" + config.server.default_domain;
  return name;
}

}  // namespace posthorn::tools
