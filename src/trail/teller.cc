#include "trail/teller.h"

#include <algorithm>
#include <asio/post.hpp>
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
      wake_(scope.executor()),
      alive_(std::make_shared<Teller*>(this)) {}

Teller::~Teller() {
  *alive_ = nullptr;
}

void Teller::take(const log::Event& event, std::string_view session, std::string_view queue,
                  log::Fields fields) noexcept {
  std::string text = format_record(scope_.clock().now(), event, session, queue, fields);
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    bytes_ += text.size();
    records_.push_back(std::move(text));
    drop_oldest();
    is_first = !std::exchange(is_woken_, true);
  }
  if (is_first) wake();
}

// The event is the loop's alone, and whoever logs may be on another thread.
void Teller::wake() {
  asio::post(scope_.executor(), [alive = alive_] {
    if (*alive != nullptr) (*alive)->wake_.set();
  });
}

// Under the lock.
void Teller::drop_oldest() {
  while (bytes_ > limits_.waiting_max && !records_.empty()) {
    bytes_ -= records_.front().size();
    records_.pop_front();
    ++dropped_;
  }
}

std::size_t Teller::waiting() const {
  const std::lock_guard lock(mutex_);
  return records_.size();
}

void Teller::start() {
  scope_.spawn(run(this));
}

net::Awaitable<void> Teller::run(Teller* self) {
  auto retry = self->limits_.retry_min;
  while (!self->is_stopping_) {
    if (self->waiting() == 0) {
      {
        const std::lock_guard lock(self->mutex_);
        self->is_woken_ = !self->records_.empty();
      }
      if (self->waiting() == 0) co_await self->wake_.wait(SteadyTime::max());
      if (self->is_stopping_) break;
      co_await self->wake_.wait_for(self->limits_.pause);
      continue;
    }
    if (co_await self->tell_batch()) {
      retry = self->limits_.retry_min;
      continue;
    }
    if (self->is_stopping_) break;
    co_await self->wake_.wait_for(retry);
    retry = std::min(2 * retry, self->limits_.retry_max);
  }
}

net::Awaitable<bool> Teller::tell_batch() {
  net::Message request("tell");
  std::deque<std::string> batch;
  std::uint64_t dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    std::size_t size = 0;
    // In a line each line end is two bytes.
    while (!records_.empty() &&
           (batch.empty() || size + records_.front().size() < limits_.batch_max)) {
      size += records_.front().size() +
              static_cast<std::size_t>(std::ranges::count(records_.front(), '\n')) + 4;
      bytes_ -= records_.front().size();
      batch.push_back(std::move(records_.front()));
      records_.pop_front();
    }
    dropped = std::exchange(dropped_, 0);
  }
  if (dropped > 0) {
    metrics::count(metric::trail_dropped, "", "", static_cast<std::int64_t>(dropped));
    log::Logger{}.warn(event::trail_dropped, {{"records", dropped}});
  }
  for (const std::string& record : batch) request.add("r", record);
  const auto answer = co_await channel_.ask(std::move(request), limits_.answer);
  // What it refused it would refuse again.
  if (answer && (answer->verb == "ok" || answer->verb == "refused")) co_return true;
  const std::lock_guard lock(mutex_);
  while (!batch.empty()) {
    bytes_ += batch.back().size();
    records_.push_front(std::move(batch.back()));
    batch.pop_back();
  }
  drop_oldest();
  co_return false;
}

net::Awaitable<void> Teller::stop() {
  if (std::exchange(is_stopping_, true)) co_return;
  wake_.set();
  while (waiting() > 0)
    if (!co_await tell_batch()) break;
  wake_.close();
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
