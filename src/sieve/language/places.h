// Where an action files something: the message, or the copy of what it sends (RFC 8580).
#pragma once

#include "sieve/language/actions.h"

namespace posthorn::sieve {

// Of fileinto; of vacation and notify their `:fcc`, made when it is first asked for. nullptr: the
// action files nothing.
Place* place_of(Action& action);

// Of the place, or of a keep; nullptr: there are none.
Flags* flags_of(Action& action);

}  // namespace posthorn::sieve
