// Flood: keeps strangers from filling the trail. What anybody may cause at will, a login or a
// recipient refused, a connection turned away, is told of each source within bounds; what is over
// them is not lost but counted: the last of a kind is told once more, with count=, how many it
// stands for. The log has them all.
//
// clang-format off
//   of one source, and one login or recipient         burst_same, then one every pause
//   of one source (an address, a /64 of IPv6)         burst_source, then one every pause
//   of one event, whoever causes it                   burst_event, then one every event_pause
//   of an account's good logins from one source       burst_same, then one every login_pause
// clang-format on
//
// The last because mail programs look every minute, not against anybody. So a month of attacks is a
// few hundred thousand records, whatever comes. For one thread at a time.
#pragma once

#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"

namespace posthorn::trail {

struct FloodLimits {
  std::uint32_t burst_same = 3, burst_source = 60, burst_event = 2000;
  std::chrono::milliseconds pause = std::chrono::minutes(1);
  std::chrono::milliseconds event_pause = std::chrono::seconds(6);
  std::chrono::milliseconds login_pause = std::chrono::minutes(10);
  std::size_t counters_max = 8000;  // the one longest unused gives way
};

class Flood {
 public:
  explicit Flood(FloodLimits limits = {}) : limits_(limits) {}

  // Whether the record, as format_record() made it, is told now; if not it waits, in place of the
  // one like it before.
  bool may_tell(const std::string& record, SteadyTime now);
  // Those that waited and whose time has come, with what they stand for.
  std::vector<std::string> take_due(SteadyTime now);
  // All that waits, before the end.
  std::vector<std::string> take_rest();
  // When there is something to take; SteadyTime::max(): nothing waits.
  SteadyTime next_due() const { return next_due_; }
  std::size_t size() const { return counters_.size(); }

 private:
  // What is counted together: an event, a source's part of it, and of that one login or recipient.
  struct Key {
    const log::Event* event = nullptr;
    std::string source = {}, subject = {};  // empty: all
    auto operator<=>(const Key&) const = default;
  };
  static Key above(const Key& key) {
    return key.subject.empty() ? Key{key.event} : Key{key.event, key.source};
  }
  // Runs full and empties by one every pause; the last of what finds it full waits.
  struct Counter {
    Key key;
    std::uint32_t used = 0;
    SteadyTime since{};
    std::string record = {};
    std::uint64_t count = 0;  // that record stands for; 0: nothing waits
  };
  std::uint32_t burst_of(const Key& key) const;
  std::chrono::milliseconds pause_of(const Key& key) const;
  Counter& counter_of(const Key& key);
  bool take_room(Counter& counter, SteadyTime now) const;
  void wait(Counter& counter, std::string record, std::uint64_t count);
  bool climb(Key key, const std::string& record, std::uint64_t count, SteadyTime now);

  const FloodLimits limits_;
  std::list<Counter> counters_;  // the last used first
  std::map<Key, std::list<Counter>::iterator> index_;
  SteadyTime next_due_{SteadyTime::max()};
};

}  // namespace posthorn::trail
