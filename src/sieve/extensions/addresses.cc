#include "sieve/extensions/addresses.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "message/address.h"
#include "message/mailbox_address.h"

namespace posthorn::sieve {

std::vector<AddressText> addresses_of(std::string_view value) {
  std::vector<AddressText> found;
  bool has_group = false;
  for (const message::Address& address : message::parse_addresses(value)) {
    if (!address.mailbox || !address.host) {
      has_group = true;  // where one begins or ends
      continue;
    }
    if (address.mailbox->empty() && address.host->empty()) continue;
    if (address.mailbox->empty()) {
      found.push_back({"@" + *address.host, {}});
      continue;
    }
    found.push_back({*address.mailbox, address.host->empty() ? std::nullopt : address.host});
  }
  const std::string_view text = trim(value, " \t\r\n");
  if (found.empty() && !has_group) found.push_back({std::string(text), {}});
  return found;
}

namespace {

std::string without_blanks(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '\t'; });
  return out;
}

}  // namespace

std::optional<std::string> bare_address(std::string_view text) {
  text = trim(text, " \t\r\n");
  if (const auto alone = message::parse_mailbox_address(text); alone && !alone->domain.empty())
    return message::format_mailbox_address(*alone);
  const auto list = message::parse_addresses(text);
  if (list.size() != 1 || !list[0].mailbox || !list[0].host || list[0].host->empty())
    return std::nullopt;
  const std::string found = message::format_mailbox_address({*list[0].mailbox, *list[0].host});
  const auto address = message::parse_mailbox_address(found);
  if (!address || address->domain.empty()) return std::nullopt;
  // What is not read as a whole is none: "a@b c". Blanks may stand around the `@` (RFC 5228
  // section 2.4.2.3, RFC 5322 section 4.4).
  if (!list[0].name && text.front() != '<' &&
      !equals_ignoring_case(without_blanks(text), without_blanks(found)))
    return std::nullopt;
  return found;
}

bool holds_addresses(std::string_view field) {
  static constexpr std::array<std::string_view, 25> kFields = {"from",
                                                               "to",
                                                               "cc",
                                                               "bcc",
                                                               "sender",
                                                               "reply-to",
                                                               "resent-from",
                                                               "resent-to",
                                                               "resent-cc",
                                                               "resent-bcc",
                                                               "resent-sender",
                                                               "resent-reply-to",
                                                               "errors-to",
                                                               "return-path",
                                                               "delivered-to",
                                                               "x-original-to",
                                                               "envelope-to",
                                                               "envelope-from",
                                                               "mail-followup-to",
                                                               "mail-reply-to",
                                                               "disposition-notification-to",
                                                               "return-receipt-to",
                                                               "x-envelope-to",
                                                               "apparently-to",
                                                               "original-from"};
  return std::ranges::any_of(
      kFields, [&](std::string_view one) { return equals_ignoring_case(one, field); });
}

}  // namespace posthorn::sieve
