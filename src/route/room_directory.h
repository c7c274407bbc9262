// RoomDirectory: a directory that also knows whether the accounts that mail is for have room. It
// asks the account's rules of whoever knows logins, and the room of the store that has the account,
// by the question "room" of store/room.h. What cannot be asked refuses nothing.
#pragma once

#include <functional>
#include <string>

#include "base/log.h"
#include "config/config.h"
#include "net/account_channels.h"
#include "route/directory.h"

namespace posthorn::route {

// The directory as the edge asks it: a recipient whose mailbox is full is refused. Of a list's
// members some may be full: it is refused when all of them are.
class RoomDirectory final : public Directory {
 public:
  using FindRules = std::function<net::Task<std::string>(std::string account)>;
  RoomDirectory(net::Scope& scope, const config::Config& config, const net::Placement& placement,
                Directory& inner, FindRules find_rules);

  Answer<Expansion> recipient(RecipientQuestion question) override;
  Answer<void> sender(SenderQuestion question) override;
  Answer<Plan> plan(PlanQuestion question) override;
  net::Task<std::string> rewrite(std::string sender) override;
  void close();

 private:
  net::Awaitable<bool> has_room(std::string address, std::uint64_t size, Explanation* told);
  net::Task<bool> ask(std::string account, std::uint64_t size);

  const config::Config& config_;
  Directory& inner_;
  FindRules find_rules_;
  net::AccountChannels stores_;
  log::Logger log_;
};

}  // namespace posthorn::route
