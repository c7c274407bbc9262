// Text in HTML and XML, ours and strangers'. Sans-I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::web {

// Good in element content and in quoted attributes, of HTML and of XML 1.0. What XML cannot hold
// (control bytes, broken UTF-8) becomes U+FFFD.
std::string escape_markup(std::string_view text);

// A mail address that is safe to show and to put into an account's settings: one @, a host name
// behind it, nothing but printable ASCII without quotation marks, at most 254 bytes.
bool is_plain_address(std::string_view text);

// The e-mail address in an autodiscover request ([MS-OXDSCLI] section 2.2.3.1). Read by looking
// for one element, without a DOM: a document type, an entity other than the five of XML, or any
// other oddity gives nullopt, so nothing is ever expanded or fetched.
std::optional<std::string> find_autodiscover_address(std::string_view xml);

}  // namespace posthorn::web
