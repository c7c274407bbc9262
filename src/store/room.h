// Limits between the roles, the store's half. The store asks lookup for an account's rules, which
// stand with its login; lookup asks the store whether an account has room, so that mail for a full
// one is refused while its sender still has it (route/room_directory.h is that half). What cannot
// be asked refuses nothing.
//
//   store -> lookup   quota account=                    rules=
//   lookup -> store   room account= rules= size=        ok or full, bytes= messages=
#pragma once

#include <string>
#include <unordered_map>

#include "config/config.h"
#include "net/line_channel.h"
#include "store/account.h"

namespace posthorn::store {

// It asks each time, or mail that was let in at RCPT by a new limit would meet
// the old one here and bounce; what was last known counts while lookup is away.
class RemoteQuota final : public QuotaSource {
 public:
  RemoteQuota(net::LineChannel& lookup, const config::Store& settings)
      : lookup_(lookup), settings_(settings) {}
  net::Task<quota::Quota> quota_of(std::string account) override;

 private:
  net::LineChannel& lookup_;
  const config::Store& settings_;
  std::unordered_map<std::string, std::string> known_;  // rules by account
};

// Did it ever get mail, or a login?
net::Task<bool> has_folder(Accounts& accounts, std::string account);

// Is there room in an account? Makes its folder, as delivery would. Also for the tools, by the
// control socket.
net::Task<net::Message> answer_room(Accounts& accounts, net::Message request);

}  // namespace posthorn::store
