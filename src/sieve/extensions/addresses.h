// Addresses as Sieve's tests and actions take them: out of header fields, and alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::sieve {

struct AddressText {
  std::string local_part;
  std::optional<std::string> domain;  // nullopt: it has none
};

// Of a field's value, still encoded (RFC 5228 section 5.1: display names, comments and groups left
// out). A value in which no address is found is one without a domain: the text itself.
std::vector<AddressText> addresses_of(std::string_view value);

// "a@b", "<a@b>" or "Name <a@b>" alone, to "a@b"; nullopt: it is none, or more than one.
std::optional<std::string> bare_address(std::string_view text);

// The fields that hold addresses, as `address` takes them.
bool holds_addresses(std::string_view field);

}  // namespace posthorn::sieve
