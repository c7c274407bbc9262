// Any bytes as a message: what was converted to 7 bits or to short lines has the same parts, each
// decodes to the same bytes, and nothing that was to be converted is 8-bit any more; in pieces it
// is the same; done twice it is done once.
#include "message/refit.h"

#include <algorithm>

#include "message/headers.h"
#include "message/part.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;
using message::Part;

std::string_view body_of(std::string_view text, const Part& part) {
  return text.substr(part.body_begin, part.body_end - part.body_begin);
}

void compare(std::string_view before, const Part& a, std::string_view after, const Part& b) {
  test::require(a.type == b.type && a.subtype == b.subtype);
  test::require(a.children.size() == b.children.size());
  if (a.children.empty())
    test::require(message::decode_transfer(body_of(before, a), a.encoding) ==
                  message::decode_transfer(body_of(after, b), b.encoding));
  for (std::size_t i = 0; i < a.children.size(); ++i)
    compare(before, a.children[i], after, b.children[i]);
}

std::string in_pieces(std::string_view text, const message::RefitPlan& plan, std::size_t step) {
  std::string out;
  for (const auto& segment : plan.segments) {
    out += segment.text;
    message::RefitEncoder encoder(segment.conversion);
    for (std::size_t at = segment.begin; at < segment.end; at += step)
      encoder.feed(text.substr(at, std::min(step, segment.end - at)), out);
    encoder.finish(out);
  }
  return out;
}

void run(std::string_view text, message::Fit fit) {
  const message::RefitPlan plan = message::plan_refit(text, fit);
  std::size_t at = 0;
  for (const auto& segment : plan.segments) {
    test::require(segment.begin == at && segment.begin <= segment.end);
    at = segment.end;
  }
  test::require(at == text.size());
  const std::string converted = message::refit(text, plan);
  test::require(in_pieces(text, plan, 1) == converted);
  test::require(in_pieces(text, plan, 7) == converted);
  if (!plan.is_changed) {
    test::require(converted == text);
  } else {
    compare(text, message::parse_parts(text), converted, message::parse_parts(converted));
  }
  if (fit.seven_bit && !plan.has_eight_bit_header && !plan.has_signed_part &&
      !plan.has_other_part) {
    test::require(!message::is_eight_bit(converted));
    test::require(!message::plan_refit(converted, fit).is_changed);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 100'000) return 0;
  const std::string_view text = test::text_of(data, size);
  run(text, {.seven_bit = true});
  run(text, {.short_lines = true});
  run(text, {.seven_bit = true, .short_lines = true});
  return 0;
}
