// What IMAP servers write (RFC 3501 section 7): strings in the form that fits them, ENVELOPE, BODY
// and BODYSTRUCTURE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "search/facts.h"

namespace posthorn::imap {

// Quoted where it may be, else a literal.
void append_string(std::string& out, std::string_view text);
void append_nstring(std::string& out, std::optional<std::string_view> text);
// As an atom where it may be, else as a string.
void append_astring(std::string& out, std::string_view text);
// A mailbox name, from UTF-8.
std::string format_mailbox(std::string_view utf8);
// "17-Jul-1996 02:44:25 +0000", in UTC.
std::string format_internal_date(std::int64_t seconds);

void append_envelope(std::string& out, const search::HeaderFacts& header);
enum class Extended { no, yes };  // BODY, BODYSTRUCTURE
void append_structure(std::string& out, const search::PartFacts& part, Extended extended);

}  // namespace posthorn::imap
