#include "deliver/wire_text.h"

#include <algorithm>
#include <span>

namespace posthorn::deliver {
namespace {

constexpr std::uint64_t kPiece = 65'536;

}  // namespace

WireText::WireText(const Body& body, const message::RefitPlan& plan)
    : body_(body), segments_(plan.segments) {
  if (segments_.empty()) segments_.push_back({{}, message::Conversion::copy, 0, body.text_size()});
}

// Where in the file's text stands what is sent from at on, behind the prefix. at never goes back.
std::uint64_t WireText::skip_to(std::uint64_t at) {
  for (; skips_ < body_.left_out.size(); ++skips_) {
    const Body::Range& range = body_.left_out[skips_];
    if (range.begin > at + skipped_) break;
    skipped_ += range.size;
  }
  return at + skipped_;
}

// Some bytes of the segment that was begun, of the prefix or of the file, behind what to holds.
Result<> WireText::read_some(std::string& to) {
  std::uint64_t size = std::min<std::uint64_t>(kPiece, segments_[segment_].end - at_);
  const std::size_t before = to.size();
  if (at_ < body_.prefix.size()) {
    to.append(body_.prefix, at_, size);
  } else {
    if (!file_.is_open()) {
      TRY(file_, Disk::real().open(body_.file, OpenMode::read));
    }
    const std::uint64_t from = skip_to(at_ - body_.prefix.size());
    if (skips_ < body_.left_out.size()) size = std::min(size, body_.left_out[skips_].begin - from);
    to.resize(before + static_cast<std::size_t>(size));
    TRY(const auto n, read_at(file_, std::span(to).subspan(before), body_.offset + from));
    if (n == 0) return fail(ErrorKind::temporary, "the spool file is shorter than it was");
    to.resize(before + n);
  }
  at_ += to.size() - before;
  return {};
}

// What is sent as it is, is read to where it goes from.
Result<> WireText::take_some() {
  if (segments_[segment_].conversion == message::Conversion::copy) return read_some(out_);
  in_.clear();
  TRY_OK(read_some(in_));
  encoder_->feed(in_, out_);
  return {};
}

Result<std::string_view> WireText::next() {
  out_.clear();
  while (out_.size() < kPiece && segment_ < segments_.size()) {
    const message::RefitPlan::Segment& segment = segments_[segment_];
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

Result<message::RefitPlan> plan_refit(const Body& body, message::Fit fit, EightBitHeader header) {
  if (!fit.seven_bit && !fit.short_lines && header == EightBitHeader::of_no_interest)
    return message::RefitPlan{};
  WireText text(body, {});
  message::FitCheck check({.seven_bit = fit.seven_bit || header == EightBitHeader::told,
                           .short_lines = fit.short_lines});
  bool is_needed = false;
  while (!text.is_at_end() && !is_needed) {
    TRY(const auto piece, text.next());
    is_needed = check.feed(piece);
  }
  if (!is_needed) return message::RefitPlan{};
  WireText again(body, {});
  std::string whole;
  while (!again.is_at_end()) {
    TRY(const auto piece, again.next());
    whole += piece;
  }
  return message::plan_refit(whole, fit);
}

}  // namespace posthorn::deliver
