// A client and who serves it, joined: what comes from the one goes to the other, until either ends.
// An idle pair holds no buffer.
#pragma once

#include "net/scope.h"
#include "net/stream.h"

namespace posthorn::net {

enum class Side { client, server };

// Which side ended first. A client that has said all may still be answered at length; a server that
// has ended takes nothing more, and its client has a moment to read the last words.
Awaitable<Side> splice(Scope& scope, Stream& client, Stream& server);

}  // namespace posthorn::net
