// What IMAP servers write (RFC 3501 section 7): strings in the form that fits them, ENVELOPE, BODY
// and BODYSTRUCTURE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "message/headers.h"
#include "message/part.h"

namespace posthorn::imap {

// Quoted where it may be, else a literal.
void append_string(std::string& out, std::string_view text);
void append_nstring(std::string& out, const std::optional<std::string>& text);
// As an atom where it may be, else as a string.
void append_astring(std::string& out, std::string_view text);
// A mailbox name, from UTF-8.
std::string format_mailbox(std::string_view utf8);
// "17-Jul-1996 02:44:25 +0000", in UTC.
std::string format_internal_date(std::int64_t seconds);

void append_envelope(std::string& out, const message::Headers& headers);
enum class Extended { no, yes };  // BODY, BODYSTRUCTURE
// text: the whole message in wire form, for the envelopes of messages inside.
void append_structure(std::string& out, const message::Part& part, std::string_view text,
                      Extended extended);

}  // namespace posthorn::imap
