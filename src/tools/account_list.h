// Which accounts there are, and their own quota rules: from the tables where these are ours to
// read, else as the running server tells it (auth/account_list.h).
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

struct KnownAccount {
  std::string name;   // as it stands there, with or without a domain; "*": whoever logs in
  std::string rules;  // config/quota.h; empty: it has none of its own
};
Result<std::vector<KnownAccount>> list_accounts(const config::Config& config);

}  // namespace posthorn::tools
