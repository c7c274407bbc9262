// Any bytes as a string in a response: quoted or literal, it ends where it says, whatever stands in
// it, and a client reads the bytes back (a NUL as a question mark).
#include "imap/proto/parser.h"
#include "imap/proto/response.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  std::string wanted(text);
  std::ranges::replace(wanted, '\0', '?');

  std::string out;
  imap::append_string(out, text);
  test::require(out.size() <= 2 * text.size() + 30);
  if (out.front() == '"') test::require(!test::has_control(out));
  out += " next";
  imap::Parser parser(out);
  test::require(parser.string() == wanted && parser.rest() == " next");
  imap::Parser again(out);
  test::require(again.astring() == wanted && again.rest() == " next");

  std::string nil;
  imap::append_nstring(nil, std::nullopt);
  test::require(nil == "NIL");
  std::string some;
  imap::append_nstring(some, std::string(text));
  test::require(some + " next" == out);
  return 0;
}
