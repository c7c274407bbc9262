#include "sieve/extensions/rfc3339.h"

#include "base/ascii.h"

namespace posthorn::sieve {
namespace {

// A number of so many digits, and what follows it; nullopt: it is none.
std::optional<unsigned> take(std::string_view& text, std::size_t digits, std::string_view behind) {
  if (text.size() < digits + 1 || behind.find(text[digits]) == behind.npos) return std::nullopt;
  const std::string_view number = text.substr(0, digits);
  if (number.find_first_not_of("0123456789") != number.npos) return std::nullopt;
  text.remove_prefix(digits + 1);
  return to_number<unsigned>(number);
}

// "+02:00", its sign taken already.
std::optional<std::chrono::minutes> offset(char sign, std::string_view text) {
  if (sign == 'Z' || sign == 'z')
    return text.empty() ? std::optional(std::chrono::minutes{}) : std::nullopt;
  const auto hours = take(text, 2, ":");
  if (!hours || text.size() != 2 || text.find_first_not_of("0123456789") != text.npos)
    return std::nullopt;
  const auto minutes = to_number<unsigned>(text);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const auto all = std::chrono::minutes(*hours * 60 + *minutes);
  return sign == '-' ? -all : all;
}

}  // namespace

// RFC 3339 section 5.6.
std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text) {
  const auto year = take(text, 4, "-"), month = take(text, 2, "-"), day = take(text, 2, "Tt ");
  if (!year || !month || !day) return std::nullopt;
  const auto hour = take(text, 2, ":"), minute = take(text, 2, ":");
  if (!hour || !minute || text.size() < 3) return std::nullopt;
  char sign = text[2];
  const auto second = take(text, 2, ".Zz+-");
  if (!second) return std::nullopt;
  if (sign == '.') {
    const std::size_t end = text.find_first_not_of("0123456789");
    if (end == 0 || end == text.npos) return std::nullopt;
    sign = text[end];
    if (std::string_view("Zz+-").find(sign) == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
  }
  const auto zone = offset(sign, text);
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!zone || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) - *zone;
}

}  // namespace posthorn::sieve
