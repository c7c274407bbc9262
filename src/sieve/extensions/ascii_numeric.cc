// comparator-i;ascii-numeric (RFC 4790 section 9.1): texts by the number they begin with.
#include <algorithm>

#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {
namespace {

// Behind every number; what does not begin with a digit is this much.
constexpr std::string_view kInfinity = "~";

std::string number_of(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return std::string(kInfinity);
  text = text.substr(0, digits);
  return std::string(text.substr(std::min(text.find_first_not_of('0'), digits - 1)));
}

int compare(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  if (a == kInfinity || b == kInfinity) return a == kInfinity ? 1 : -1;
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

}  // namespace

Extension ascii_numeric() {
  return {.name = "comparator-i;ascii-numeric",
          .standard = "RFC 4790 section 9.1",
          .comparators = {{.name = "i;ascii-numeric",
                           .fold = number_of,
                           .compare = compare,
                           .substrings = ComparatorRow::Substrings::no}}};
}

}  // namespace posthorn::sieve::extension
