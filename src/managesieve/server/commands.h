// The commands after the login (RFC 5804 sections 2.3 to 2.13). Where each is legal stands in
// proto/command.h. Each gives the whole response.
#pragma once

#include <string>

#include "base/log.h"
#include "config/config.h"
#include "managesieve/proto/command.h"
#include "net/blocking_pool.h"
#include "store/account.h"

namespace posthorn::managesieve {

struct Context {
  net::BlockingPool& pool;
  const config::Config& config;
  Disk& disk;
  const store::Account& account;
  const log::Logger& log;
};

net::Awaitable<std::string> answer(const Command& command, Context context);

}  // namespace posthorn::managesieve
