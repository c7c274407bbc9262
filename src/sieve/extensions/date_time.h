// Dates of header fields, and the parts of them that RFC 5260 names.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::sieve {

struct DateTime {
  std::chrono::sys_seconds time;  // UTC
  std::chrono::minutes zone{};    // east of UTC
};

// RFC 5322 section 3.3, with the obsolete forms of section 4.3: years of two digits, zones by name,
// comments, no seconds. nullopt: it is none.
std::optional<DateTime> parse_date_time(std::string_view text);

// "+0200", "-0330".
std::optional<std::chrono::minutes> parse_zone(std::string_view text);

// RFC 5260 section 4.2: "year", "julian", "std11" …
using DatePart = std::string (*)(const DateTime& when);
DatePart find_date_part(std::string_view name);  // nullptr: there is none

}  // namespace posthorn::sieve
