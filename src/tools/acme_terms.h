// What an ACME directory says of itself before anything is asked of it: its terms, and whether it
// wants an account's key (RFC 8555 section 7.1.1).
#pragma once

#include <string>

#include "base/file.h"

namespace posthorn::tools {

// A paragraph for whoever is to agree. Blocks, for some seconds at most; a directory that does not
// answer is no obstacle: the server asks it again.
std::string ask_for_terms(const std::string& directory, const Path& authority);

}  // namespace posthorn::tools
