// Teller: tells the trail what this process logs of mails. Records wait in memory, within a bound,
// for a moment, and go in batches over the line protocol; what was told and not yet taken is told
// again. Never in the way of mail: taking one is a copy into a buffer, on any thread. When the
// trail is away or slow and the bound is reached, the oldest are dropped and counted. What
// strangers may cause at will is told within bounds of its own (trail/flood.h).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "net/inbox.h"
#include "net/line_channel.h"
#include "net/scope.h"
#include "trail/flood.h"

namespace posthorn::trail {

struct TellerLimits {
  std::size_t waiting_max = std::size_t{2} << 20U;  // bytes, of records that wait
  std::size_t batch_max = 40'000;                   // bytes, as a line can hold (net::kLineMax)
  std::chrono::milliseconds pause = 200ms;          // in which records come together
  std::chrono::milliseconds answer = 10s;           // to be had within
  std::chrono::milliseconds retry_min = 1s, retry_max = 30s;
};

class Teller final : public log::Recorder {
 public:
  // as: what this process may say; socket: the trail's for that role.
  Teller(net::Scope& scope, log::Senders as, net::Address socket, TellerLimits limits = {});

  bool may_say(const log::Event& event) const { return (event.senders & as_) != 0; }
  void take(const log::Event& event, std::string_view session, std::string_view queue,
            log::Fields fields) noexcept override;

  void start();
  // Tells what waits, as far as the trail takes it now.
  net::Awaitable<void> stop();

 private:
  static net::Awaitable<void> run(Teller* self);
  std::vector<std::string> take_batch();
  net::Awaitable<bool> tell_batch();  // true: the trail has it
  bool is_idle() const;

  net::Scope& scope_;
  const log::Senders as_;
  const TellerLimits limits_;
  net::LineChannel channel_;
  net::Inbox inbox_;
  Flood flood_;
  std::deque<std::string> due_;       // what had waited in flood_
  std::vector<std::string> untaken_;  // a batch, by the trail
  bool is_stopping_ = false;
};

// Of one process, which may be several roles: each event goes to the first that may say it.
class Tellers final : public log::Recorder {
 public:
  Teller& add(std::unique_ptr<Teller> teller);
  bool is_empty() const { return tellers_.empty(); }
  void take(const log::Event& event, std::string_view session, std::string_view queue,
            log::Fields fields) noexcept override;
  void start();
  net::Awaitable<void> stop();

 private:
  std::vector<std::unique_ptr<Teller>> tellers_;
};

}  // namespace posthorn::trail
