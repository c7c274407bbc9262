// Any bytes as an SMTP address: one that passes is within its bounds, holds no control
// character, is valid UTF-8, and comes back from the form we write; plain ASCII passes in both
// charsets alike.
#include "message/mailbox_address.h"

#include "base/log.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  using enum message::AddressCharset;
  const std::string_view text = test::text_of(data, size);
  const bool is_ascii = std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
  const auto narrow = message::parse_mailbox_address(text, ascii);
  const auto wide = message::parse_mailbox_address(text, utf8);
  test::require(!narrow || (is_ascii && wide));
  if (is_ascii) test::require(narrow.has_value() == wide.has_value());
  test::require(message::to_lower(message::to_lower(text)) == message::to_lower(text));
  if (message::is_domain(text)) {
    const auto at_domain = message::parse_mailbox_address("a@" + std::string(text));
    test::require(text.size() > 252 || (at_domain && at_domain->domain == text));
  }
  if (!wide) return 0;
  test::require(!wide->local.empty() && wide->local.size() <= 255 && wide->domain.size() <= 255);
  test::require(!test::has_control(wide->local) && !test::has_control(wide->domain));
  for (const std::string* part : {&wide->local, &wide->domain}) {
    // The log writes bytes that are no UTF-8 as \xNN, and so tells by a second reader.
    const std::string shown = log::escape(*part);
    test::require(shown.find("\\x") == std::string::npos || part->find('\\') != std::string::npos);
  }
  const std::string again = message::format_mailbox_address(*wide);
  test::require(again.size() <= text.size());
  const auto back = message::parse_mailbox_address(again, utf8);
  test::require(back && back->local == wide->local && back->domain == wide->domain);
  test::require(message::format_mailbox_address(*back) == again);
  // What others get is the same address, without a stray dot outside quotes.
  const std::string strict = message::strict_address(again);
  const auto read = message::parse_mailbox_address(strict, utf8);
  if (strict.size() <= message::kAddressMax)
    test::require(read && read->local == wide->local && read->domain == wide->domain);
  return 0;
}
