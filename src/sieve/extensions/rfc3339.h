// Points in time as RFC 3339 writes them: "2030-01-02T03:04:05Z", "…+02:00", parts of a second
// dropped.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace posthorn::sieve {

std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text);

}  // namespace posthorn::sieve
