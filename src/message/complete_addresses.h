// Names in a submitted header that have no domain get one: "From: alice" is alice of the sender's
// domain, as Postfix's append_at_myorigin has it for mail of its own users (RFC 6409 section 8.1).
// Nothing else is touched: the rest of the text stays byte for byte.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::message {

// The header with the addresses of its address fields completed.
std::string complete_addresses(std::string_view header, std::string_view domain);

}  // namespace posthorn::message
