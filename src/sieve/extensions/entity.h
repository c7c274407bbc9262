// New parts of messages (RFC 2045), as replace and enclose write them.
#pragma once

#include <string>
#include <string_view>

#include "message/headers.h"

namespace posthorn::sieve {

struct Entity {
  std::string header;  // the Content fields, CRLF, without the empty line
  std::string body;
};

// UTF-8 as text/plain; in base64 where 7bit cannot carry it, or where a line of it might be taken
// for the end of a part.
Entity text_entity(std::string_view text);
// A text that has its own header of Content fields; what else stands there is left out.
Entity mime_entity(std::string_view text);

// Content-* and MIME-Version.
bool is_mime_field(const message::Field& field);
// Lines with CRLF.
std::string with_line_ends(std::string_view text);

}  // namespace posthorn::sieve
