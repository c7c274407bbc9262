// AccountChannels: the line protocol to whatever process owns an account. A place is connected to
// once, however many accounts live there.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "net/line_channel.h"
#include "net/placement.h"

namespace posthorn::net {

class AccountChannels {
 public:
  // placement outlives it. Lives as long as the role.
  AccountChannels(Scope& scope, const Placement& placement, AccountService service)
      : scope_(scope), placement_(placement), service_(service) {}
  Task<Message> ask(std::string account, Message request, std::chrono::milliseconds within);
  void close();

 private:
  Scope& scope_;
  const Placement& placement_;
  AccountService service_;
  std::map<std::string, std::unique_ptr<LineChannel>> channels_;  // by address
  bool is_closed_ = false;
};

}  // namespace posthorn::net
