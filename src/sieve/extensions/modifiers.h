// What the modifiers of a call (`:lower`, `:length` …) make of a value (RFC 5229 section 4.1).
#pragma once

#include <string>

#include "sieve/language/run.h"

namespace posthorn::sieve {

// The highest precedence first.
std::string modified(Run& run, const Call& call, std::string value);

}  // namespace posthorn::sieve
