#include "sieve/extensions/mailbox_names.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace posthorn::sieve {

bool is_mailbox_name(std::string_view name) {
  return !name.empty() && is_utf8(name);
}

void check_mailbox_names(Checker& checker, const Arg& names, const syntax::Item& item) {
  if (!names.has_value) return;
  for (const std::string_view name : checker.constants(names))
    if (!is_mailbox_name(name))
      checker.warn(item.at, fmt::format("no mailbox can be named \"{}\"", name));
}

}  // namespace posthorn::sieve
