// A message in the queue as the scheduler holds it. Private to this folder: queue.cc schedules,
// filtering.cc has the spam filter look at it, attempts.cc delivers, notices.cc tells senders,
// control.cc answers the operator, deeds.cc does what he orders.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deliver/attempt.h"
#include "net/timer.h"
#include "queue/queue.h"

namespace posthorn::queue {

// Up to a tenth more, so that what failed together does not come again together.
std::chrono::milliseconds jitter(std::chrono::milliseconds time);

inline LogRecord make_record(LogRecord::Kind kind, std::size_t recipient = 0,
                             std::string text = {}) {
  LogRecord record;
  record.kind = kind;
  record.recipient = recipient;
  record.text = std::move(text);
  return record;
}

// A round is one try of all recipients that wait. Its groups begin as there is room for them; the
// round ends when none is left.
struct Queue::Item {
  struct Batch {
    std::vector<LogRecord> records;
    std::optional<Result<>> written;
  };
  Item(Stored s, const net::Executor& executor)
      : stored(std::move(s)), ended(executor), recorded(executor) {}

  Stored stored;
  SteadyTime when{};
  std::chrono::milliseconds age{0};  // when it was added ...
  SteadyTime age_since{};            // ... at this time
  bool is_checked = false;           // its text is what was written
  bool busy = false;
  bool again = false;   // a retry was asked for
  bool forced = false;  // this round is one that was asked for
  bool deleted = false;
  bool is_skip_told = false;  // that the filter is not asked
  std::size_t scans = 0;
  std::string scan_failed;  // why the last one was not done; empty: none was tried, or it was done
  // Of the text, what does not go on once the filter has had it; nullopt: not looked for yet.
  std::optional<std::vector<deliver::Body::Range>> left_out;
  bool in_round = false;
  std::list<Group> groups;  // those of the round that have not begun
  std::size_t running = 0;
  net::Event ended;
  std::string crowd;  // where there was no room
  std::optional<Place> place;
  // What holds up all its recipients, in place of what was last said of each; empty: nothing.
  std::string reason_for_all() const {
    return scan_failed.empty() ? "" : "waits for the filter: " + scan_failed;
  }

  std::shared_ptr<Batch> batch;  // what is recorded next
  std::vector<LogRecord> owed;   // what happened and could not be recorded: goes before it
  bool recording = false;
  config::Duration wait_max = config::Duration::max();  // a recipient's time comes sooner
  net::Event recorded;
};

}  // namespace posthorn::queue
