// Actions that may not stand together (RFC 5429 section 2.4, RFC 5230 section 4.7), and those that
// an event of a mailbox does not allow (RFC 6785 section 3).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sieve/language/actions.h"

namespace posthorn::sieve {

// Why `next` cannot be taken behind what the same script took already; nullopt: it can.
std::optional<std::string> conflict_of(std::span<const Action> taken, const Action& next);

// The sender would be told: of these a message gets one, whichever script takes it.
bool answers_the_sender(const Action& action);

// "reject", "fileinto": as the script says it.
std::string_view name_of(const Action& action);

}  // namespace posthorn::sieve
