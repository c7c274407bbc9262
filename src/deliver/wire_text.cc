#include "deliver/wire_text.h"

#include <algorithm>

namespace posthorn::deliver {
namespace {

constexpr std::uint64_t kPiece = 65'536;

}  // namespace

WireText::WireText(const Body& body, const message::SevenBit& plan)
    : body_(body), segments_(plan.segments) {
  if (segments_.empty())
    segments_.push_back({{}, message::Conversion::copy, 0, body.prefix.size() + body.size});
}

// Some bytes of the segment that was begun, of the prefix or of the file.
Result<> WireText::take_some() {
  const message::SevenBit::Segment& segment = segments_[segment_];
  const std::uint64_t size = std::min<std::uint64_t>(kPiece, segment.end - at_);
  if (at_ < body_.prefix.size()) {
    in_ = body_.prefix.substr(at_, size);
  } else {
    if (!file_.is_open()) {
      TRY(file_, Disk::real().open(body_.file, OpenMode::read));
    }
    in_.resize(static_cast<std::size_t>(size));
    TRY(const auto n, read_at(file_, in_, body_.offset + at_ - body_.prefix.size()));
    if (n == 0) return fail(ErrorKind::temporary, "the spool file is shorter than it was");
    in_.resize(n);
  }
  at_ += in_.size();
  if (segment.conversion == message::Conversion::copy)
    out_ += in_;
  else
    encoder_->feed(in_, out_);
  return {};
}

Result<std::string_view> WireText::next() {
  out_.clear();
  while (out_.size() < kPiece && segment_ < segments_.size()) {
    const message::SevenBit::Segment& segment = segments_[segment_];
    if (!encoder_) {
      out_ += segment.text;
      encoder_.emplace(segment.conversion);
      at_ = segment.conversion == message::Conversion::drop ? segment.end : segment.begin;
    }
    if (at_ < segment.end) {
      TRY_OK(take_some());
      continue;
    }
    if (segment.conversion != message::Conversion::drop) encoder_->finish(out_);
    encoder_.reset();
    ++segment_;
  }
  return out_;
}

Result<message::SevenBit> plan_seven_bit(const Body& body) {
  WireText text(body, {});
  bool is_needed = false;
  while (!text.is_at_end() && !is_needed) {
    TRY(const auto piece, text.next());
    is_needed = message::is_eight_bit(piece);
  }
  if (!is_needed) return message::SevenBit{};
  WireText again(body, {});
  std::string whole;
  while (!again.is_at_end()) {
    TRY(const auto piece, again.next());
    whole += piece;
  }
  return message::plan_seven_bit(whole);
}

}  // namespace posthorn::deliver
