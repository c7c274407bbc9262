// Address lists of header fields (RFC 5322 section 3.4, with the obsolete forms), read as IMAP's
// ENVELOPE wants them (RFC 3501 section 7.4.2). It never fails: it gives what it can. One pass, no
// recursion, bounded output.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::message {

inline constexpr std::size_t kAddressesMax = 10'000;

// A group begins with one that has a mailbox and no host, and ends with one that has neither.
struct Address {
  std::optional<std::string> name;   // unquoted, still encoded
  std::optional<std::string> route;  // "@a,@b"
  std::optional<std::string> mailbox;
  std::optional<std::string> host;
};

std::vector<Address> parse_addresses(std::string_view value);

}  // namespace posthorn::message
