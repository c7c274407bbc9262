// Limits between the roles. The store asks lookup for an account's rules, which stand with its
// login; lookup asks the store whether an account has room, so that mail for a full one is refused
// while its sender still has it. What cannot be asked refuses nothing.
//
//   store -> lookup   quota account=                    rules=
//   lookup -> store   room account= rules= size=        ok or full, bytes= messages=
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "net/line_channel.h"
#include "route/directory.h"
#include "store/account.h"

namespace posthorn::app {

// The store's side. It asks each time, or mail that was let in at RCPT by a new limit would meet
// the old one here and bounce; what was last known counts while lookup is away.
class RemoteQuota final : public store::QuotaSource {
 public:
  RemoteQuota(net::LineChannel& lookup, const config::Store& settings)
      : lookup_(lookup), settings_(settings) {}
  net::Task<quota::Quota> quota_of(std::string account) override;

 private:
  net::LineChannel& lookup_;
  const config::Store& settings_;
  std::unordered_map<std::string, std::string> known_;  // rules by account
};

// Is there room in an account? Also for the tools, by the control socket.
net::Task<net::Message> answer_room(store::Accounts& accounts, net::Message request);

// The directory as the edge asks it: a recipient whose mailbox is full is refused. Of a list's
// members some may be full: it is refused when all of them are.
class RoomDirectory final : public route::Directory {
 public:
  using FindRules = std::function<net::Task<std::string>(std::string account)>;
  RoomDirectory(net::Scope& scope, const config::Config& config, route::Directory& inner,
                FindRules find_rules);

  route::Answer<route::Expansion> recipient(route::RecipientQuestion question) override;
  route::Answer<void> sender(std::string account, std::string address) override;
  route::Answer<route::Plan> plan(route::PlanQuestion question) override;
  net::Task<std::string> rewrite(std::string sender) override;
  void close();

 private:
  net::Awaitable<bool> has_room(std::string address, std::uint64_t size);
  net::Task<bool> ask(std::string account, std::uint64_t size);

  const config::Config& config_;
  route::Directory& inner_;
  FindRules find_rules_;
  std::vector<std::unique_ptr<net::LineChannel>> stores_;  // by worker
  log::Logger log_;
};

}  // namespace posthorn::app
