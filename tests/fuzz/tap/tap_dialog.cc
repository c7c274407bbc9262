// What `posthorn tap` shows of a dialog holds no secret, wherever clients put them, in whatever
// pieces; and of any bytes at all it makes printable lines of bounded length.
#include "tests/support/fuzz.h"
#include "tests/support/secret_dialog.h"

using namespace posthorn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  std::size_t at = 0;
  const auto choose = [&](std::size_t n) -> std::size_t {
    const std::size_t low = at < size ? data[at++] : 0;
    const std::size_t high = n > 256 && at < size ? data[at++] : 0;
    return n == 0 ? 0 : (low + 256 * high) % n;
  };
  test::require(test::SecretDialog(choose).run().find('~') == std::string::npos);

  const std::string_view text = test::text_of(data, size);
  for (const tap::Protocol protocol : {tap::Protocol::smtp, tap::Protocol::imap,
                                       tap::Protocol::pop3, tap::Protocol::managesieve}) {
    tap::Dialog dialog(protocol, tap::Begin::at_start);
    std::vector<tap::Line> lines;
    std::size_t i = 0;
    test::Pieces(text).each([&](std::string_view piece) {
      dialog.feed(++i % 3 == 0 ? tap::From::server : tap::From::client, piece, lines);
    });
    for (const tap::Line& line : lines) {
      test::require(!test::has_control(line.text));
      test::require(line.text.size() < 8192);
    }
  }
  return 0;
}
