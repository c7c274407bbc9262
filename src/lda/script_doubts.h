// What a script of the administrator says that surely is not meant so: folders and addresses that
// cannot be, a file that everybody may change, and an engine that strangers' mail can stop. Told,
// and the script runs all the same.
#pragma once

#include <string>

#include "config/config.h"
#include "config/finding.h"
#include "lda/scripts.h"

namespace posthorn::lda {

config::Findings find_doubts(const Script& script, const std::string& text, const Path& path);
config::Finding doubt_of_libsieve(const config::Config& config);

}  // namespace posthorn::lda
