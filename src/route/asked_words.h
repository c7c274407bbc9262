// The words of a question as the SMTP server reads them: the code that reads MAIL FROM and RCPT TO
// (smtp/proto) reads these, so that quotes, a final dot, a source route and a domain's other form
// mean here what they mean there, and what has a fault gets the same reply. RFC 5321 section 4.1.2.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "route/reception.h"

namespace posthorn::route {

// With or without < and > around it. beside: the other address of the mail, if there is one; a
// client names SMTPUTF8 if one of the two needs it (RFC 6531 section 3.3).
std::expected<std::string, Reply> read_sender(std::string_view word, std::string_view beside = "");
std::expected<std::string, Reply> read_recipient(std::string_view word,
                                                 std::string_view beside = "");

}  // namespace posthorn::route
