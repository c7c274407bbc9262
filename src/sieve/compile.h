// Sieve for the rest of Posthorn: a script's text to a program, programs and a message to actions
// (RFC 5228 and the extensions of extensions/table.h). It does no I/O: a World answers what the
// script asks (language/world.h).
#pragma once

#include <string_view>
#include <vector>

#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve {

CompileResult compile(std::string_view script, const CompileSettings& settings);

// What `require` takes, in ManageSieve's order: for its SIEVE capability.
std::vector<std::string_view> extension_names();

}  // namespace posthorn::sieve
