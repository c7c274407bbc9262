// Flags as scripts write them: in lists, several in a text, in any case (RFC 5232 section 2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve {

// \Answered \Flagged \Deleted \Seen \Draft or a keyword, an atom (RFC 9051 section 9).
bool is_flag(std::string_view text);

// What blanks part.
std::vector<std::string_view> words_of(const std::vector<std::string_view>& texts);

// Each once; what no flag can be is left out (RFC 5232 section 2).
Flags flags_in(const std::vector<std::string_view>& texts);

std::string join_flags(const Flags& flags);

bool has_flag(const Flags& flags, std::string_view flag);

// Warns of what will be left out.
void check_flags(Checker& checker, const Arg& flags, const syntax::Item& item);

enum class FlagChange { set, add, remove };

// Of the internal variable, or of the named one. Not more than a variable holds.
Flow change_flags(Run& run, std::string_view variable, const Flags& flags, FlagChange change);

}  // namespace posthorn::sieve
