// Names of mailboxes as tests take them: what cannot be one is a doubt, and no mailbox has it.
#pragma once

#include <string_view>

#include "sieve/language/checker.h"

namespace posthorn::sieve {

// UTF-8 and not empty; the rest is the host's to judge.
bool is_mailbox_name(std::string_view name);

void check_mailbox_names(Checker& checker, const Arg& names, const syntax::Item& item);

}  // namespace posthorn::sieve
