// The form of an address that SMTP and the tables have: RFC 5321 section 4.1.2 Mailbox, with UTF-8
// by RFC 6531, and what others write besides: a local part over 64 octets (RFC 5321 section 4.5.3.1
// asks to avoid limits) or with dots where none may stand ("foo..bar@docomo.ne.jp"). What stands in
// header fields is looser and read elsewhere.
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

inline constexpr std::size_t kAddressMax = 510;

enum class AddressCharset { ascii, utf8 };

// The whole text must be an address: local part to 255 bytes, domain to 255, all to 510, which with
// the angle brackets is twice what RFC 5321 section 4.5.3.1.3 gives a path.
std::optional<MailboxAddress> parse_mailbox_address(std::string_view text,
                                                    AddressCharset charset = AddressCharset::utf8);
// The opposite; quotes the local part if it needs quotes to be read again.
std::string format_mailbox_address(const MailboxAddress& address);
// An address as it is written for others: quoted where RFC 5321 wants it, as Postfix does, so that
// "foo..bar@x" is taken by servers that know no such thing.
std::string strict_address(const std::string& address);
// RFC 5321 Domain: letters, digits and hyphens in labels, or UTF-8 labels; no final dot.
bool is_domain(std::string_view text, AddressCharset charset = AddressCharset::utf8);
using posthorn::to_lower;  // what the tables are keyed by

}  // namespace posthorn::message
