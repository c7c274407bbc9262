// Who knows an account's own quota rules. The store asks before it takes a message; the rules of
// the configuration are in the answer. An Error: it could not be asked, and nothing is refused for
// that.
#pragma once

#include <string>

#include "config/quota.h"
#include "net/task.h"

namespace posthorn::store {

class QuotaSource {
 public:
  virtual ~QuotaSource() = default;
  virtual net::Task<quota::Quota> quota_of(std::string account) = 0;
};

}  // namespace posthorn::store
