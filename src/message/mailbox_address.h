// The strict form of an address, as SMTP and the tables have it: RFC 5321 section 4.1.2 Mailbox,
// with UTF-8 by RFC 6531. What stands in header fields is looser and read elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ascii.h"

namespace posthorn::message {

struct MailboxAddress {
  std::string local;   // unquoted: `"a b"@x` has the local part `a b`
  std::string domain;  // as written; "[192.0.2.1]" for a literal; empty for a bare "postmaster"
};

enum class AddressCharset { ascii, utf8 };

// The whole text must be an address: local part to 64 bytes, domain to 255, all to 254 (RFC 5321
// section 4.5.3.1).
std::optional<MailboxAddress> parse_mailbox_address(std::string_view text,
                                                    AddressCharset charset = AddressCharset::utf8);
// The opposite; quotes the local part if it needs quotes.
std::string format_mailbox_address(const MailboxAddress& address);
// RFC 5321 Domain: letters, digits and hyphens in labels, or UTF-8 labels; no final dot.
bool is_domain(std::string_view text, AddressCharset charset = AddressCharset::utf8);
using posthorn::to_lower;  // what the tables are keyed by

}  // namespace posthorn::message
