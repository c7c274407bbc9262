// `posthorn quota …`: the limits of accounts, in conf/users or in PostgreSQL, and how much of them
// is used, of a server that runs or does not.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct QuotaOptions {
  std::string address;  // of list: empty: all
  std::string limit;    // "1G", "none", "default"
  std::optional<std::uint64_t> messages;
};

int set_quota(const config::Config& config, const QuotaOptions& options);
int list_quotas(const config::Config& config, const QuotaOptions& options);

}  // namespace posthorn::tools
