#include "trail/teller.h"

#include <algorithm>
#include <utility>

#include "base/events.h"
#include "base/metrics.h"
#include "trail/record.h"

namespace posthorn::trail {

Teller::Teller(net::Scope& scope, log::Senders as, net::Address socket, TellerLimits limits)
    : scope_(scope),
      as_(as),
      limits_(limits),
      channel_(scope, std::move(socket)),
      inbox_(scope.executor(), limits.waiting_max) {}

void Teller::take(const log::Event& event, std::string_view session, std::string_view queue,
                  log::Fields fields) noexcept {
  inbox_.put(format_record(scope_.clock().now(), event, session, queue, fields));
}

void Teller::start() {
  scope_.spawn(run(this));
}

bool Teller::is_idle() const {
  return untaken_.empty() && due_.empty() && inbox_.is_empty() &&
         scope_.clock().steady_now() < flood_.next_due();
}

net::Awaitable<void> Teller::run(Teller* self) {
  auto retry = self->limits_.retry_min;
  while (!self->is_stopping_) {
    if (self->is_idle()) {
      co_await self->inbox_.wait(self->flood_.next_due());
      co_await self->inbox_.pause(self->limits_.pause);
    } else if (co_await self->tell_batch()) {
      retry = self->limits_.retry_min;
    } else {
      co_await self->inbox_.pause(retry);
      retry = std::min(2 * retry, self->limits_.retry_max);
    }
  }
}

std::vector<std::string> Teller::take_batch() {
  std::vector<std::string> batch = std::exchange(untaken_, {});
  if (!batch.empty()) return batch;
  const SteadyTime now = scope_.clock().steady_now();
  for (std::string& record : flood_.take_due(now)) due_.push_back(std::move(record));
  std::size_t left = limits_.batch_max;
  while (!due_.empty() && due_.front().size() * 2 < left) {
    left -= due_.front().size() * 2;
    batch.push_back(std::move(due_.front()));
    due_.pop_front();
  }
  if (!due_.empty()) return batch;
  for (std::string& record : inbox_.take(left))
    if (flood_.may_tell(record, now)) batch.push_back(std::move(record));
  return batch;
}

net::Awaitable<bool> Teller::tell_batch() {
  if (const std::uint64_t dropped = inbox_.take_dropped(); dropped > 0) {
    metrics::count(metric::trail_dropped, "", "", static_cast<std::int64_t>(dropped));
    log::Logger{}.warn(event::trail_dropped, {{"records", dropped}});
  }
  std::vector<std::string> batch = take_batch();
  if (batch.empty()) co_return true;
  net::Message request("tell");
  for (const std::string& record : batch) request.add("r", record);
  const auto answer = co_await channel_.ask(std::move(request), limits_.answer);
  // What it refused it would refuse again.
  const bool is_taken = answer && (answer->verb == "ok" || answer->verb == "refused");
  if (!is_taken) std::ranges::move(batch, std::back_inserter(untaken_));
  co_return is_taken;
}

net::Awaitable<void> Teller::stop() {
  if (std::exchange(is_stopping_, true)) co_return;
  bool is_taken = true;
  while (is_taken && !(untaken_.empty() && inbox_.is_empty())) is_taken = co_await tell_batch();
  for (std::string& record : flood_.take_rest()) due_.push_back(std::move(record));
  while (is_taken && !(untaken_.empty() && due_.empty())) is_taken = co_await tell_batch();
  inbox_.end();
  channel_.close();
}

Teller& Tellers::add(std::unique_ptr<Teller> teller) {
  return *tellers_.emplace_back(std::move(teller));
}

void Tellers::take(const log::Event& event, std::string_view session, std::string_view queue,
                   log::Fields fields) noexcept {
  for (const auto& teller : tellers_)
    if (teller->may_say(event)) return teller->take(event, session, queue, fields);
}

void Tellers::start() {
  for (const auto& teller : tellers_) teller->start();
}

net::Awaitable<void> Tellers::stop() {
  for (const auto& teller : tellers_) co_await teller->stop();
}

}  // namespace posthorn::trail
