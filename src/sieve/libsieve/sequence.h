// Several scripts for one message, one after another, as Pigeonhole's sieve_before and sieve_after:
// the next one runs only while a keep is in effect at the end of the one before it, implicit
// (nothing cancelled it, stop does not) or explicit. Storing that keep waits for the last of them.
// So a script ends it all by discard, reject, redirect or fileinto without a keep.
#pragma once

#include <optional>
#include <span>

#include "sieve/libsieve/engine.h"

namespace posthorn::sieve::libsieve {

struct Outcome {
  std::vector<Action> actions;  // at least one; nothing wanted at all: Discard
  std::vector<std::size_t> by;  // of each: which script wanted it
  // A script went wrong: what those before it did counts, the message is kept, none after it runs.
  std::optional<Error> fault;
  std::size_t faulty = 0;  // which one
};

// A folder that two scripts file into gets one copy with the flags of both; so does the inbox. The
// bounds of one script (kRedirectsMax, kActionsMax) hold for all together. No script: Keep.
Outcome run_in_order(std::span<const Script* const> scripts, const Input& input);

}  // namespace posthorn::sieve::libsieve
