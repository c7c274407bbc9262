// ASSERT: stays on in release, and is for our own mistakes only. Never for what a peer sent, what a
// configuration says or what a disk holds. The supervisor restarts the role; the spool is
// crash-safe.
#pragma once

namespace posthorn {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define ASSERT(expression)                 \
  (static_cast<bool>(expression) ? void(0) \
                                 : ::posthorn::assertion_failed(#expression, __FILE__, __LINE__))
