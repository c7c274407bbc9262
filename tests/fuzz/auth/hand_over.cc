// Any bytes as the line with which a session is handed over: what is read can be written, on one
// line, and says the same when it is read again.
#include "auth/hand_over.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto what = auth::parse_hand_over(text);
  if (!what) {
    test::require(what.error().kind == ErrorKind::protocol);
    return 0;
  }
  const std::string line = auth::format_hand_over(*what);
  test::require(line.ends_with('\n') && std::ranges::count(line, '\n') == 1);
  const auto again = auth::parse_hand_over(std::string_view(line).substr(0, line.size() - 1));
  test::require(again && again->token == what->token && again->session == what->session &&
                again->service == what->service && again->tag == what->tag &&
                again->address == what->address && again->tls == what->tls);
  return 0;
}
