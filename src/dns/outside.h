// What no record tells: whether this machine reaches port 25 of others, and what the policy's page
// answers. One attempt each, within a bound.
#pragma once

#include "dns/asker.h"
#include "dns/service_marks.h"
#include "net/scope.h"

namespace posthorn::dns {

// probe: a domain, whose best MX is tried, or "host:port". Offline it is unknown, not wrong.
net::Awaitable<health::Mark> try_port_25(net::Executor executor, net::Resolver& resolver,
                                         std::string probe, Patience patience);
// The page of a domain's policy. authority: who vouches for its certificate; empty: the system's.
net::Awaitable<health::Mark> try_policy(net::Scope& scope, net::Resolver& resolver,
                                        std::string domain, std::string policy, Path authority);

}  // namespace posthorn::dns
