// What the tests that look at header fields compare: the values of a field, of them the one that
// `:index` and `:last` pick (RFC 5260 section 6).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sieve/language/run.h"

namespace posthorn::sieve {

enum class Words { decoded, as_they_are };  // encoded words (RFC 2047)

std::vector<std::string> field_values(Run& run, const Call& call, std::string_view field,
                                      Words words);

// Of these values the one that `:index` and `:last` of the call pick; all, where neither is there.
std::vector<std::string> picked(const Call& call, std::vector<std::string> values);

// `:index` and `:last` of the commands and tests that `of` names.
void add_index_tags(Extension& extension, std::string_view of);

// RFC 5322 section 2.2: the name of a field; for faults at compile time.
bool is_field_name(std::string_view name);
void check_field_names(Checker& checker, const Node& node, const syntax::Item& item,
                       std::size_t which);

}  // namespace posthorn::sieve
