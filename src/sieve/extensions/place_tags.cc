#include "sieve/extensions/place_tags.h"

#include <fmt/format.h>

namespace posthorn::sieve {

// RFC 8580 section 3.1.
void check_place_tag(Checker& checker, const Node& node, const syntax::Item& item,
                     std::string_view tag) {
  const bool needs_fcc = node.command->name == "vacation" || node.command->name == "notify";
  if (needs_fcc && checker.find_tag(node, "fcc") == nullptr)
    checker.fault(item.at, fmt::format("`:{}` of `{}` says where `:fcc` files: without it there is "
                                       "nothing to file",
                                       tag, node.command->name));
}

}  // namespace posthorn::sieve
