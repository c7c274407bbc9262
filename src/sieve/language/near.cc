#include "sieve/language/near.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/edit_distance.h"

namespace posthorn::sieve {

std::string did_you_mean(std::string_view name, std::span<const std::string_view> names,
                         std::string_view prefix) {
  if (name.size() > 64) return {};
  const std::string wanted = to_lower(name);
  std::size_t nearest = 1 + std::max<std::size_t>(1, name.size() / 3);
  std::string_view found;
  for (const std::string_view one : names) {
    if (one.empty() || one.size() > 64) continue;
    const std::size_t far = edit_distance(wanted, to_lower(one));
    if (far >= nearest) continue;
    nearest = far;
    found = one;
  }
  return found.empty() ? "" : fmt::format(", did you mean `{}{}`?", prefix, found);
}

}  // namespace posthorn::sieve
