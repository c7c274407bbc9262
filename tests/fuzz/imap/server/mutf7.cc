// Modified UTF-7 (RFC 3501 section 5.1.3) is read twice, by the protocol and by the store: any
// bytes decode and encode back to the same name, and where the strict reader takes a text, the
// other agrees with it.
#include "imap/proto/parser.h"
#include "store/mailbox_name.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto loose = imap::decode_mutf7(text);
  if (loose) {
    test::require(loose->size() <= 2 * text.size() && !test::has_control(*loose));
    test::require(imap::decode_mutf7(imap::encode_mutf7(*loose)) == loose);
    test::require(imap::encode_mutf7(*loose).size() <= text.size());
  }
  if (const auto strict = store::utf7_to_utf8(text)) {
    test::require(loose == strict);
    test::require(imap::encode_mutf7(*strict) == text);
  }
  const std::string written = imap::encode_mutf7(text);
  test::require(written.size() <= 5 * text.size());
  test::require(std::ranges::all_of(written, [](char c) { return (c & 0x80) == 0; }));
  if (const auto strict = store::utf8_to_utf7(text)) {
    // The store shifts control characters too, before it refuses the name.
    if (!test::has_control(text))
      test::require(written == *strict && imap::decode_mutf7(written) == text);
  }
  if (const auto name = store::check_mailbox_name(text))
    test::require(imap::decode_mutf7(imap::encode_mutf7(*name)) == *name);
  return 0;
}
