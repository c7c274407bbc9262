// RelayTrials: the queue role's side of `posthorn relay test`: which relays there are, and what an
// attempt at one comes to, by the code that delivers (deliver/probe.h) and with the login that it
// would use. What is told holds no user and no password. One question at a time has the network.
//
//   relays                              ok  (name=, place=)…, all=1|0
//   relay-test name= from= to= or       ok  relay=, verdict=, then for each host host=, line=…,
//              mail-to= from= to=           tls=, names=, issuer=, ends=, proof=, cause=, advice=
#pragma once

#include "config/config.h"
#include "deliver/diagnosis.h"
#include "deliver/transports.h"
#include "net/line_channel.h"
#include "route/local_directory.h"

namespace posthorn::app {

class RelayTrials {
 public:
  // All outlive it.
  RelayTrials(const config::Config& config, route::RemoteDirectory& directory,
              deliver::Transports& transports)
      : config_(config), directory_(directory), transports_(transports) {}

  static bool is_asked(const net::Message& request);
  net::Awaitable<net::Message> answer(net::Message request);

 private:
  net::Awaitable<net::Message> list();
  net::Awaitable<net::Message> test(net::Message request);
  net::Task<std::expected<route::Plan, std::string>> find_plan(std::string name,
                                                               std::string sender);

  const config::Config& config_;
  route::RemoteDirectory& directory_;
  deliver::Transports& transports_;
  bool is_busy_ = false;
};

}  // namespace posthorn::app
