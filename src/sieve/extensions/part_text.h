// What a part of a message holds, as tests and variables take it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message/part.h"

namespace posthorn::sieve {

// wire: the whole message that the part's places are in.
std::string_view header_of(const message::Part& part, std::string_view wire);

// The bytes of a leaf, its transfer encoding undone; of text, as UTF-8 (a charset that is unknown
// leaves it as it is). nullopt: an encoding that nobody knows (RFC 2045 section 6.4).
std::optional<std::string> content_of(const message::Part& part, std::string_view wire);

// The text that a reader would see: HTML without its tags. nullopt: no text.
std::optional<std::string> readable_text(const message::Part& part, std::string_view wire);

// RFC 2046 section 5.1: what stands before the first and behind the last part of a multipart.
std::vector<std::string_view> around_parts(const message::Part& part, std::string_view wire);

}  // namespace posthorn::sieve
