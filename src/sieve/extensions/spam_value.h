// What a filter before this one wrote into the header about spam or viruses, as a share of the
// worst it can be (RFC 5235), by settings of the form that Pigeonhole's have.
#pragma once

#include <optional>
#include <string_view>

#include "sieve/language/run.h"

namespace posthorn::sieve {

// 0: nothing found, 1: the worst. texts: of type text, the highest number of one. nullopt: nobody
// looked at the message, or what is written says nothing.
std::optional<double> spam_share(Run& run, const SpamSettings& settings, int texts);

}  // namespace posthorn::sieve
