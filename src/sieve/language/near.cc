#include "sieve/language/near.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <vector>

#include "base/ascii.h"

namespace posthorn::sieve {
namespace {

// Letters to be put in, taken out, changed or swapped with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> rows(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) rows[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.size()][b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view name, std::span<const std::string_view> names,
                         std::string_view prefix) {
  if (name.size() > 64) return {};
  const std::string wanted = to_lower(name);
  std::size_t nearest = 1 + std::max<std::size_t>(1, name.size() / 3);
  std::string_view found;
  for (const std::string_view one : names) {
    if (one.empty() || one.size() > 64) continue;
    const std::size_t far = distance(wanted, to_lower(one));
    if (far >= nearest) continue;
    nearest = far;
    found = one;
  }
  return found.empty() ? "" : fmt::format(", did you mean `{}{}`?", prefix, found);
}

}  // namespace posthorn::sieve
