// Domain names in UTF-8 and in ASCII are the same names (RFC 5890; UTS 46, nontransitional, by
// ICU): "müller.test" is "xn--mller-kva.test".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::message {

// The A-label form; an ASCII name is given back as it is. nullopt: it is no domain name.
std::optional<std::string> ascii_domain(std::string_view domain);

// An address with its domain in ASCII; what has no domain, or none that can be, as it is.
std::string ascii_address(std::string address);

// The other form of a name that has two, of a table's key: an address, "@domain", a domain or
// ".parent". nullopt: it has but one.
std::optional<std::string> other_form(std::string_view key);

}  // namespace posthorn::message
