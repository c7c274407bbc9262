#include "trail/flood.h"

#include <algorithm>
#include <utility>

#include "base/events.h"
#include "net/networks.h"
#include "trail/record.h"

namespace posthorn::trail {
namespace {

constexpr std::size_t kSubjectMax = 100;

// With the fields that say who did it and to whom.
struct Kind {
  const log::Event* event;
  std::string_view source, subject;
};
constexpr Kind kKinds[] = {{&event::auth_failed, "address", "user"},
                           {&event::auth_banned, "address", "user"},
                           {&event::auth_succeeded, "address", "account"},
                           {&event::smtp_rcpt_refused, "address", "rcpt"},
                           {&event::smtp_unauthorised_pipelining, "address", ""},
                           {&event::connection_refused, "address", ""},
                           {&event::tls_failed, "address", ""}};

// What users do themselves is bounded for each alone.
bool is_of_users(const log::Event* event) {
  return event == &event::auth_succeeded;
}

std::string with_count(std::string record, std::uint64_t count) {
  if (count > 1) record += "\ncount=" + std::to_string(count);
  return record;
}

// An IPv6 host has a /64 to itself.
std::string source_of(const std::string& address) {
  const std::string bytes = net::address_bytes(address);
  return bytes.size() == 16 ? bytes.substr(0, 8) : bytes.empty() ? address : bytes;
}

}  // namespace

std::uint32_t Flood::burst_of(const Key& key) const {
  return !key.subject.empty()  ? limits_.burst_same
         : !key.source.empty() ? limits_.burst_source
                               : limits_.burst_event;
}

std::chrono::milliseconds Flood::pause_of(const Key& key) const {
  if (is_of_users(key.event)) return limits_.login_pause;
  return key.source.empty() ? limits_.event_pause : limits_.pause;
}

// The one that gives way leaves what waits in it to the one above.
Flood::Counter& Flood::counter_of(const Key& key) {
  if (const auto found = index_.find(key); found != index_.end()) {
    counters_.splice(counters_.begin(), counters_, found->second);
    return *found->second;
  }
  counters_.push_front({.key = key});
  index_.emplace(key, counters_.begin());
  while (counters_.size() > limits_.counters_max) {
    Counter old = std::move(counters_.back());
    counters_.pop_back();
    index_.erase(old.key);
    const Key up = above(old.key);
    if (const auto over = index_.find(up); old.count > 0 && over != index_.end())
      wait(*over->second, std::move(old.record), old.count);
  }
  return counters_.front();
}

bool Flood::take_room(Counter& counter, SteadyTime now) const {
  const auto pause = pause_of(counter.key);
  if (counter.used == 0) counter.since = now;
  const auto gone = std::min<std::int64_t>((now - counter.since) / pause, counter.used);
  counter.used -= static_cast<std::uint32_t>(gone);
  counter.since = counter.used == 0 ? now : counter.since + gone * pause;
  if (counter.used >= burst_of(counter.key)) return false;
  ++counter.used;
  return true;
}

void Flood::wait(Counter& counter, std::string record, std::uint64_t count) {
  counter.record = std::move(record);
  counter.count += count;
  next_due_ = std::min(next_due_, counter.since + pause_of(counter.key));
}

// Past its own bound and those above it; else it waits at the first that is full.
bool Flood::climb(Key key, const std::string& record, std::uint64_t count, SteadyTime now) {
  for (;;) {
    Counter& counter = counter_of(key);
    if (!take_room(counter, now)) {
      wait(counter, record, count);
      return false;
    }
    if (key.source.empty() || is_of_users(key.event)) return true;
    key = above(key);
  }
}

bool Flood::may_tell(const std::string& text, SteadyTime now) {
  // "<ms> <event> …": the most are of other events, and need not be read.
  const std::string_view rest =
      std::string_view(text).substr(std::min(text.find(' '), text.size() - 1) + 1);
  const auto* const kind =
      std::ranges::find(kKinds, rest.substr(0, rest.find(' ')),
                        [](const Kind& one) -> std::string_view { return one.event->name; });
  if (kind == std::end(kKinds)) return true;
  const auto record = parse_record(text);
  const std::string address(record ? record->get(kind->source) : "");
  if (address.empty()) return true;  // of this machine's programs, or of another role
  std::string subject(kind->subject.empty() ? "" : record->get(kind->subject));
  return climb({kind->event, source_of(address), subject.substr(0, kSubjectMax)}, text, 1, now);
}

std::vector<std::string> Flood::take_due(SteadyTime now) {
  std::vector<std::string> due;
  if (now < next_due_) return due;
  std::vector<Key> waiting;
  for (const Counter& counter : counters_)
    if (counter.count > 0) waiting.push_back(counter.key);
  next_due_ = SteadyTime::max();
  for (const Key& key : waiting) {
    const auto found = index_.find(key);
    if (found == index_.end() || found->second->count == 0) continue;
    const std::uint64_t count = std::exchange(found->second->count, 0);
    std::string record = std::exchange(found->second->record, {});
    if (climb(key, record, count, now)) due.push_back(with_count(std::move(record), count));
  }
  return due;
}

std::vector<std::string> Flood::take_rest() {
  std::vector<std::string> rest;
  for (Counter& counter : counters_)
    if (const std::uint64_t count = std::exchange(counter.count, 0); count > 0)
      rest.push_back(with_count(std::move(counter.record), count));
  next_due_ = SteadyTime::max();
  return rest;
}

}  // namespace posthorn::trail
