// Any lines as a server's replies: each is bounded, without control characters, its enhanced code
// of its class and form; written by us and read again it is the same.
#include "smtp/proto/reply.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

std::optional<smtp::Reply> read_all(std::string_view lines) {
  smtp::ReplyParser parser;
  while (!lines.empty()) {
    std::string_view line = test::take_line(lines);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto reply = parser.feed(line);
    if (!reply) return std::nullopt;
    if (*reply) return lines.empty() ? *reply : std::nullopt;
  }
  return std::nullopt;
}

// RFC 3463 section 2.
bool is_enhanced_of(std::string_view text, int code) {
  const std::size_t first = text.find('.'), second = text.find('.', first + 1);
  if (first != 1 || second == std::string_view::npos) return false;
  const std::string_view subject = text.substr(2, second - 2), detail = text.substr(second + 1);
  const auto is_number = [](std::string_view t) {
    return !t.empty() && t.size() <= 3 && t.find_first_not_of("0123456789") == t.npos;
  };
  return text[0] == '0' + code / 100 && is_number(subject) && is_number(detail);
}

void check(const smtp::Reply& reply) {
  test::require(reply.code >= 200 && reply.code <= 599);
  test::require(reply.is_positive() + reply.is_transient() + reply.is_permanent() == 1);
  test::require(reply.enhanced.empty() || is_enhanced_of(reply.enhanced, reply.code));
  test::require(reply.text.size() <= 1024);
  std::string_view lines = reply.text;
  while (!lines.empty()) test::require(!test::has_control(test::take_line(lines)));
  test::require(!test::has_control(to_string(reply)));
  // Where lines had several codes, the text of the first may look like an enhanced code of the
  // last.
  const auto once = read_all(format_reply(reply));
  test::require(once && once->code == reply.code && once->text.size() <= reply.text.size());
  test::require(read_all(format_reply(*once)) == once);
  if (!reply.enhanced.empty()) test::require(*once == reply);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view lines = test::text_of(data, size);
  smtp::ReplyParser parser;
  while (!lines.empty()) {
    const auto reply = parser.feed(test::take_line(lines));
    if (!reply) {
      test::require(reply.error().kind == ErrorKind::protocol);
      return 0;
    }
    if (*reply) check(**reply);
  }
  return 0;
}
