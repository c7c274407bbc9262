// Any bytes as a message: every part lies inside the one that holds it, one behind the other, its
// header before its body, its lines counted right; depth and number stay within their bounds.
#include "message/part.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

struct Walk {
  std::string_view text;
  std::size_t parts = 0;

  void check(const message::Part& part, std::size_t begin, std::size_t end, std::size_t depth) {
    ++parts;
    test::require(depth <= 100);
    test::require(begin <= part.header_begin && part.header_begin <= part.body_begin);
    test::require(part.body_begin <= part.body_end && part.body_end <= end);
    if (parts < 200) {
      const std::string_view body = text.substr(part.body_begin, part.body_end - part.body_begin);
      test::require(part.lines == static_cast<std::size_t>(std::ranges::count(body, '\n')));
    }
    test::require(!part.type.empty() && !part.subtype.empty() && !part.encoding.empty());
    test::require(part.parameters.size() <= 100 && part.disposition_parameters.size() <= 100);
    test::require(part.children.empty() || part.is_multipart() || part.is_message());
    if (part.is_message()) test::require(part.children.size() == 1);
    std::size_t at = part.body_begin;
    for (const message::Part& child : part.children) {
      check(child, at, part.body_end, depth + 1);
      at = child.body_end;
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = test::text_of(data, size);
  const message::Part root = message::parse_parts(text);
  test::require(root.header_begin == 0 && root.body_end == text.size());
  Walk walk{text};
  walk.check(root, 0, text.size(), 0);
  test::require(walk.parts <= 10'101);  // the last ones of each open level
  return 0;
}
