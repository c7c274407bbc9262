// i;octet and i;ascii-casemap (RFC 4790 sections 9.3 and 9.2), which every script has.
#include "base/ascii.h"
#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {
namespace {

std::string as_it_is(std::string_view text) {
  return std::string(text);
}
std::string without_case(std::string_view text) {
  return to_lower(text);
}
int compare(std::string_view a, std::string_view b) {
  return a.compare(b);
}

}  // namespace

Extension comparators() {
  return {.name = "",
          .standard = "RFC 4790",
          .comparators = {{.name = "i;octet",
                           .fold = as_it_is,
                           .compare = compare,
                           .unit = ComparatorRow::Unit::octet},
                          {.name = "i;ascii-casemap", .fold = without_case, .compare = compare}}};
}

}  // namespace posthorn::sieve::extension
