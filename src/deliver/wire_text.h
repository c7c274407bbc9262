// The text of a message as it goes out: the fields put in front, then the file, with what does not
// fit the server or the standard converted. Read in pieces, so that a large one is never held;
// whoever signs and whoever sends see the same bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "deliver/attempt.h"
#include "message/refit.h"

namespace posthorn::deliver {

class WireText {
 public:
  // body outlives it.
  WireText(const Body& body, const message::RefitPlan& plan);
  // The next piece, valid until the next call; empty: that was all. Blocks.
  Result<std::string_view> next();
  bool is_at_end() const { return segment_ == segments_.size(); }

 private:
  Result<> read_some(std::string& to);
  std::uint64_t skip_to(std::uint64_t at);
  Result<> take_some();

  const Body& body_;
  std::vector<message::RefitPlan::Segment> segments_;
  std::size_t segment_ = 0;
  std::uint64_t at_ = 0;
  std::size_t skips_ = 0;      // ranges of the file that were left out so far ...
  std::uint64_t skipped_ = 0;  // ... and their size
  std::optional<message::RefitEncoder> encoder_;  // of the segment that was begun
  File file_;
  std::string in_, out_;
};

// What of a message has to be converted for it. Most mail fits, and is never whole in memory.
// header: whether the plan must know of 8-bit bytes in the header though they may stay. Blocks.
enum class EightBitHeader { of_no_interest, told };
Result<message::RefitPlan> plan_refit(const Body& body, message::Fit fit, EightBitHeader header);

}  // namespace posthorn::deliver
