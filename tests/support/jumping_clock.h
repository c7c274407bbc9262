// A clock that goes as the machine's does and that a test moves on besides, so that what happens
// after half an hour of silence happens at once.
#pragma once

#include "base/clock.h"

namespace posthorn::test {

class JumpingClock final : public Clock {
 public:
  WallTime now() const override { return Clock::system().now() + ahead_; }
  SteadyTime steady_now() const override { return Clock::system().steady_now() + ahead_; }
  void jump(std::chrono::milliseconds time) { ahead_ += time; }

 private:
  std::chrono::milliseconds ahead_{0};
};

}  // namespace posthorn::test
