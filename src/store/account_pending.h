// A commit that waits for the account's lock. Included by the .cc files of Account only.
#pragma once

#include "store/account.h"
#include "store/engine.h"

namespace posthorn::store {

struct Account::Pending {
  CommitGroup group;
  quota::Quota quota;
  quota::Check check = quota::Check::strict;
  bool is_done = false;
};

}  // namespace posthorn::store
