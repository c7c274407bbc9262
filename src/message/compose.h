// Mail that the server itself writes for a user: fields and texts in UTF-8 made into what RFC 5322,
// 2045 and 2047 want, in 7-bit lines. Whatever text goes in, no line of its own comes of it in a
// header. Sans-I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "message/headers.h"

namespace posthorn::message {

// "Subject: =?utf-8?B?…?=\r\n", folded (RFC 2047 section 2, RFC 5322 section 2.1.1). Control
// characters become blanks, what is no UTF-8 becomes U+FFFD, and what is beyond 1000 bytes is cut
// off.
std::string text_field(std::string_view name, std::string_view utf8);
// An address as a field holds it: its "Name <a@b>" with the name in encoded words, or <a@b>.
// address: what somebody wrote in a field's place, UTF-8; empty: it is no single address.
std::string address_of(std::string_view text);  // "a@b" alone
std::string format_address(std::string_view text);

// Content-Type (text/plain, UTF-8), its encoding, the empty line and the text; every kind of line
// end becomes CRLF.
std::string text_part(std::string_view utf8);

// RFC 5322 section 3.6.4: In-Reply-To and References of an answer to a message with this header;
// none where that has no Message-ID.
std::string reply_fields(const Headers& headers);

// The addresses of all fields of these names, as they are compared: in lower case, each once,
// at most max.
std::vector<std::string> addresses_in(const Headers& headers,
                                      const std::vector<std::string_view>& names, std::size_t max);

// Every kind of line end to CRLF, the last line whole.
std::string wire_lines(std::string_view text);

}  // namespace posthorn::message
