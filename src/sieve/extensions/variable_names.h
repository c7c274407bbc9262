// What a command that writes into a variable (set, setflag, extracttext) checks of its name.
#pragma once

#include <string_view>

#include "sieve/language/checker.h"

namespace posthorn::sieve {

// RFC 5229 section 3: letters, digits and `_`, no digit first.
bool is_variable_name(std::string_view name);

// The constants of a positional argument are names, or "global." and a name (RFC 6609 section
// 3.4.2) where a script may include others.
void check_variable_names(Checker& checker, const Node& node, const syntax::Item& item,
                          std::size_t which);

}  // namespace posthorn::sieve
