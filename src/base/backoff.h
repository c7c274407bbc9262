// Backoff: when to try again what failed for a reason that may pass by itself (a full table of
// descriptors, a disk's hiccup, a file that a rename is just putting there): after first, then
// twice as long each time up to longest, until it is told that all is well.
#pragma once

#include <algorithm>
#include <optional>

#include "base/clock.h"

namespace posthorn {

class Backoff {
 public:
  explicit Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest = 1min)
      : first_(first), longest_(std::max(first, longest)) {}
  void fail(SteadyTime now) {
    wait_ = wait_ == 0ms ? first_ : std::min(wait_ * 2, longest_);
    due_ = now + wait_;
  }
  void succeed() {
    wait_ = 0ms;
    due_.reset();
  }
  bool is_due(SteadyTime now) const { return due_ && now >= *due_; }

 private:
  std::chrono::milliseconds first_, longest_;
  std::chrono::milliseconds wait_ = 0ms;
  std::optional<SteadyTime> due_;
};

}  // namespace posthorn
