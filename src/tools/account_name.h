// The account that a command's user means.
#pragma once

#include <string>
#include <string_view>

#include "config/config.h"

namespace posthorn::tools {

// In lower case; a name without a domain is one of server.default_domain, if there is one.
std::string complete_account_name(const config::Config& config, std::string_view given);

// The same; an Error where the tables say that it has no mailbox.
Result<std::string> find_account_name(const config::Config& config, std::string_view given);

}  // namespace posthorn::tools
