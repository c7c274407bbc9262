// A clock that stands still until a test moves it.
#pragma once

#include "base/clock.h"

namespace posthorn::test {

class ManualClock final : public Clock {
 public:
  WallTime now() const override { return wall_; }
  SteadyTime steady_now() const override { return steady_; }
  void advance(std::chrono::milliseconds time) {
    wall_ += time;
    steady_ += time;
  }
  void set_wall(WallTime time) { wall_ = time; }

 private:
  WallTime wall_{std::chrono::milliseconds(1'767'225'600'000)};  // 2026-01-01T00:00:00Z
  SteadyTime steady_{std::chrono::hours(1)};
};

}  // namespace posthorn::test
