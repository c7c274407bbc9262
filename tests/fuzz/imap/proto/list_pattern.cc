// LIST patterns agree with the plain recursive reading of RFC 3501 section 6.3.8, and a long
// pattern of wildcards needs no exponential time.
#include <vector>

#include "imap/proto/parser.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

bool by_the_rfc(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  const char p = pattern.front();
  if (p != '*' && p != '%')
    return !name.empty() && name.front() == p && by_the_rfc(pattern.substr(1), name.substr(1));
  for (std::size_t n = 0; n <= name.size(); ++n) {
    if (by_the_rfc(pattern.substr(1), name.substr(n))) return true;
    if (n < name.size() && p == '%' && name[n] == '.') return false;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = test::text_of(data, size);
  const std::string_view pattern = test::take_line(rest);
  const std::string_view name = rest.substr(0, 2000);
  const bool matches = imap::list_matches(pattern, name, '.');
  const auto stars = std::ranges::count_if(pattern, [](char c) { return c == '*' || c == '%'; });
  if (stars <= 5 && name.size() <= 40) test::require(matches == by_the_rfc(pattern, name));
  test::require(imap::list_matches("*", name, '.'));
  test::require(imap::list_matches("%", name, '.') == (name.find('.') == std::string_view::npos));
  test::require(imap::list_matches(std::string(pattern) + "*", name, '.') || !matches);
  test::require(imap::list_matches("*" + std::string(pattern), name, '.') || !matches);
  if (stars == 0) test::require(matches == (pattern == name));
  return 0;
}
