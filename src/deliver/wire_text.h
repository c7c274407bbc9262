// The text of a message as it goes out: the fields put in front, then the file, with what must be
// of 7 bits converted. Read in pieces, so that a large one is never held; whoever signs and whoever
// sends see the same bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "deliver/attempt.h"
#include "message/seven_bit.h"

namespace posthorn::deliver {

class WireText {
 public:
  // body outlives it.
  WireText(const Body& body, const message::SevenBit& plan);
  // The next piece, valid until the next call; empty: that was all. Blocks.
  Result<std::string_view> next();
  bool is_at_end() const { return segment_ == segments_.size(); }

 private:
  Result<> read_some(std::string& to);
  Result<> take_some();

  const Body& body_;
  std::vector<message::SevenBit::Segment> segments_;
  std::size_t segment_ = 0;
  std::uint64_t at_ = 0;
  std::optional<message::SevenBitEncoder> encoder_;  // of the segment that was begun
  File file_;
  std::string in_, out_;
};

// What a server gets that takes 7 bits only. Most mail has no more, and is never whole in memory.
// Blocks.
Result<message::SevenBit> plan_seven_bit(const Body& body);

}  // namespace posthorn::deliver
