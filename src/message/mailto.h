// mailto: URIs (RFC 6068), as a script names whom to notify (RFC 5436 section 2.1). What no URI can
// hold is told, with the reason; nothing is guessed.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posthorn::message {

struct Mailto {
  std::vector<std::string> to, cc, bcc;  // "a@b", decoded
  std::optional<std::string> subject, body;
  std::vector<std::pair<std::string, std::string>> fields;  // the others, decoded
};

inline constexpr std::size_t kMailtoRecipientsMax = 20;

// The error: what is wrong, for who wrote it.
std::expected<Mailto, std::string> parse_mailto(std::string_view uri);

}  // namespace posthorn::message
