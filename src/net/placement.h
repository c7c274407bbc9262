// Placement: where an account lives, as a question. Today the answer is a socket of this machine;
// later it may be another machine's, another one a moment later, or not be known (an Error: try
// again). Nobody works it out for himself, nor keeps it longer than for one connection.
#pragma once

#include <string>
#include <string_view>

#include "net/socket.h"
#include "net/task.h"

namespace posthorn::net {

// What the process that owns an account is there for.
enum class AccountService { lmtp, imap, pop3, managesieve, quota, control };
std::string_view to_string(AccountService service);

class Placement {
 public:
  virtual ~Placement() = default;
  virtual Task<Address> find_address(std::string account, AccountService service) const = 0;
};

}  // namespace posthorn::net
