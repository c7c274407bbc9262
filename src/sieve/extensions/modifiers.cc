#include "sieve/extensions/modifiers.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace posthorn::sieve {

std::string modified(Run& run, const Call& call, std::string value) {
  std::vector<const TagRow*> modifiers;
  for (std::size_t i = 0; i < call.node().args_count; ++i)
    if (const TagRow* tag = call.arg(i).tag; tag != nullptr && tag->modify != nullptr)
      modifiers.push_back(tag);
  std::ranges::sort(modifiers, std::greater{}, &TagRow::precedence);
  for (const TagRow* modifier : modifiers)
    value = modifier->modify(value, run.settings().variable_size_max);
  return value;
}

}  // namespace posthorn::sieve
