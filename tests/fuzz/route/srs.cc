// Any bytes as a sender and as a rewritten one: what was rewritten is an address of ours that leads
// back to exactly that sender, and of what was not, none leads anywhere.
#include "route/srs.h"

#include "base/ascii.h"
#include "message/mailbox_address.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};
  static const route::Srs srs("example.org", {"one secret", "another"});
  const std::string_view text = test::text_of(data, size);
  test::require(!srs.reverse(text, kNow));  // no hash is guessed
  const auto made = srs.forward(text, kNow);
  if (!made) return 0;
  const auto parsed = message::parse_mailbox_address(*made);
  test::require(parsed && parsed->domain == "example.org" && srs.is_ours(*made));
  const auto back = srs.reverse(*made, kNow);
  // Forwarded a third time, it leads back to the first forwarder.
  if (!to_lower(text).starts_with("srs1")) test::require(back && equals_ignoring_case(*back, text));
  return 0;
}
