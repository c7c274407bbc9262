#include "sieve/extensions/variable_names.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::sieve {

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; };
  return !name.empty() && (is_letter(name.front()) || name.front() == '_') &&
         std::ranges::all_of(
             name, [&](char c) { return is_letter(c) || c == '_' || (c >= '0' && c <= '9'); });
}

void check_variable_names(Checker& checker, const Node& node, const syntax::Item& item,
                          std::size_t which) {
  constexpr std::string_view kGlobal = "global.";
  constexpr std::size_t kSizeMax = 64;
  for (const std::string_view name : checker.constants(checker.positional(node, which))) {
    const bool is_global = name.size() > kGlobal.size() && checker.has("include") &&
                           equals_ignoring_case(name.substr(0, kGlobal.size()), kGlobal);
    const std::string_view own = is_global ? name.substr(kGlobal.size()) : name;
    if (!is_variable_name(own))
      checker.fault(item.at, fmt::format("\"{}\" is no name of a variable", name));
    if (own.size() > kSizeMax)
      checker.fault(item.at,
                    fmt::format("the name of a variable has at most {} letters", kSizeMax));
  }
}

}  // namespace posthorn::sieve
