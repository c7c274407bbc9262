// Tags that say more of where something is filed: `:flags`, `:create`, `:specialuse`,
// `:mailboxid`. With fileinto they stand alone, with vacation and notify beside `:fcc`.
#pragma once

#include <string_view>

#include "sieve/language/checker.h"

namespace posthorn::sieve {

void check_place_tag(Checker& checker, const Node& node, const syntax::Item& item,
                     std::string_view tag);

}  // namespace posthorn::sieve
