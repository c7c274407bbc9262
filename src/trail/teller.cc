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

net::Awaitable<void> Teller::run(Teller* self) {
  auto retry = self->limits_.retry_min;
  while (!self->is_stopping_) {
    if (self->inbox_.is_empty()) {
      co_await self->inbox_.wait();
      co_await self->inbox_.pause(self->limits_.pause);
    } else if (co_await self->tell_batch()) {
      retry = self->limits_.retry_min;
    } else {
      co_await self->inbox_.pause(retry);
      retry = std::min(2 * retry, self->limits_.retry_max);
    }
  }
}

net::Awaitable<bool> Teller::tell_batch() {
  if (const std::uint64_t dropped = inbox_.take_dropped(); dropped > 0) {
    metrics::count(metric::trail_dropped, "", "", static_cast<std::int64_t>(dropped));
    log::Logger{}.warn(event::trail_dropped, {{"records", dropped}});
  }
  auto batch = inbox_.take(limits_.batch_max);
  net::Message request("tell");
  for (const std::string& record : batch) request.add("r", record);
  const auto answer = co_await channel_.ask(std::move(request), limits_.answer);
  // What it refused it would refuse again.
  if (answer && (answer->verb == "ok" || answer->verb == "refused")) co_return true;
  inbox_.put_back(std::move(batch));
  co_return false;
}

net::Awaitable<void> Teller::stop() {
  if (std::exchange(is_stopping_, true)) co_return;
  while (!inbox_.is_empty())
    if (!co_await tell_batch()) break;
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
