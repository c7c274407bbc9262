// The marks of the DNS, kept fresh: asked soon after the start, every six hours, and when somebody
// wants them anew. Who shows them takes the last ones and never waits.
#pragma once

#include "config/config.h"
#include "dns/asker.h"
#include "net/blocking_pool.h"
#include "net/line_channel.h"
#include "net/scope.h"
#include "net/timer.h"

namespace posthorn::app {

class DnsWatch {
 public:
  // lookup tells the domains.
  struct Parts {
    net::Scope& scope;
    net::BlockingPool& pool;
    const config::Config& config;
    net::LineChannel& lookup;
    std::vector<std::string> own_addresses;
  };
  explicit DnsWatch(Parts parts)
      : parts_(std::move(parts)),
        wanted_(parts_.scope.executor()),
        done_(parts_.scope.executor()) {}

  Result<> start();  // nothing is asked with dns.marks off
  void stop();
  // The answer to "dns": when the marks are of now.
  net::Awaitable<net::Message> refresh();
  void add_facts(health::Facts& facts) const;

 private:
  static net::Awaitable<void> run(DnsWatch* self);
  net::Awaitable<void> ask();
  net::Awaitable<dns::Subject> find_subject();

  Parts parts_;
  std::unique_ptr<net::Resolver> resolver_;
  net::Event wanted_, done_;
  bool is_wanted_ = false;
  std::size_t begun_ = 0, ended_ = 0;                // rounds
  std::optional<std::vector<std::string>> domains_;  // as lookup told them last
  WallTime asked_{};
  std::vector<health::Mark> marks_;
};

}  // namespace posthorn::app
