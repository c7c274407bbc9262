// Header fields with lines of more than 998 octets folded (RFC 5322 sections 2.1.1 and 2.2.3), as a
// reader unfolds them again: at blanks, or where a structured field may have one (RFC 5322 section
// 3.2.2). Only where a field has neither in reach, a line end and a space go into a word, as
// Postfix does (smtp_line_length_limit).
#pragma once

#include <string>
#include <string_view>

namespace posthorn::message {

// raw: a whole field with its line ends, CRLF or LF. Lines that are short stay as they are.
std::string fold_field(std::string_view raw);

}  // namespace posthorn::message
