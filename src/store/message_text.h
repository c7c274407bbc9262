// The wire text of an open message's file, as far as somebody wants it. Blocks: run it in the pool.
#pragma once

#include <string>

#include "base/result.h"
#include "store/mailbox.h"

namespace posthorn::store {

// With its empty line; no more of the file is read than a piece behind that.
Result<std::string> read_header(const OpenMessage& opened);
Result<std::string> read_text(const OpenMessage& opened);

}  // namespace posthorn::store
