// Two streams joined: what comes from the one goes to the other, until either ends. An idle pair
// holds no buffer.
#pragma once

#include "net/scope.h"
#include "net/stream.h"

namespace posthorn::net {

Awaitable<void> splice(Scope& scope, Stream& a, Stream& b);

}  // namespace posthorn::net
