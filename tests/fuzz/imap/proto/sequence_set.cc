// Any bytes as a sequence set: it stands in the text whole, reads back from what we write of it,
// and resolves to ordered ranges that hold exactly the numbers that it names.
#include "imap/proto/parser.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  if (size == 0) return 0;
  const std::string_view text = test::text_of(data + 1, size - 1);
  imap::Parser parser(text);
  const auto set = parser.sequence_set();
  if (!set) {
    test::require(parser.rest() == text);
    return 0;
  }
  test::require(!set->ranges.empty() && set->ranges.size() <= imap::kRangesMax);
  const std::string_view taken = text.substr(0, text.size() - parser.rest().size());
  test::require(taken.find_first_not_of("0123456789*:,") == std::string_view::npos);
  std::string again;
  for (const auto& [a, b] : set->ranges) {
    again += again.empty() ? "" : ",";
    again += a == 0 ? "*" : std::to_string(a);
    again += ':';
    again += b == 0 ? "*" : std::to_string(b);
  }
  const auto back = imap::Parser(again).sequence_set();
  test::require(back && back->ranges == set->ranges);

  test::require(set->resolve(0).empty());
  for (const std::uint32_t last : {std::uint32_t{data[0]} + 1, std::uint32_t{UINT32_MAX}}) {
    const auto ranges = set->resolve(last);
    std::uint64_t behind = 0;
    for (const auto& [a, b] : ranges) {
      test::require(a <= b && (behind == 0 || a > behind + 1));
      behind = b;
    }
    if (set->ranges.size() > 100) continue;
    for (std::uint32_t n = 1; n <= 300; ++n) {
      bool named = false, found = false;
      for (auto [a, b] : set->ranges) {
        if (a == 0) a = last;
        if (b == 0) b = last;
        named |= n >= std::min(a, b) && n <= std::max(a, b);
      }
      for (const auto& [a, b] : ranges) found |= n >= a && n <= b;
      test::require(named == found);
    }
  }
  return 0;
}
