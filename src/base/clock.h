// The clock, as an interface, so that tests can set and move it. Deadlines and back-off use the
// steady clock, which a changed wall clock does not disturb; what is written to disk or into a
// header uses wall time.
#pragma once

#include <chrono>
#include <string>

namespace posthorn {

using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;
using namespace std::chrono_literals;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() const = 0;
  virtual SteadyTime steady_now() const = 0;

  static const Clock& system();
};

// RFC 3339 in UTC with milliseconds: 2026-11-21T04:26:46.123Z, as the log writes it.
std::string format_log_time(WallTime time);
// RFC 5322 section 3.3 date-time in local time with its offset: Sat, 21 Nov 2026 04:26:46 +0000.
std::string format_rfc5322(WallTime time);

}  // namespace posthorn
