// The header fields of a message's parts, for the tests that have `:mime` (RFC 5703 section 4).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sieve/extensions/field_values.h"
#include "sieve/language/run.h"

namespace posthorn::sieve {

// The parts that the call looks at, by their places in the message's all_parts(): the one that the
// loop is at, with `:anychild` and all that is within it.
std::vector<std::size_t> parts_asked(Run& run, const Call& call);

// Of one part; of the first, the message, as it was edited. Of values, those that `:index` picks.
std::vector<std::string> part_field_values(Run& run, const Call& call, std::size_t part,
                                           std::string_view field, Words words);
bool has_part_field(Run& run, std::size_t part, std::string_view field);

}  // namespace posthorn::sieve
