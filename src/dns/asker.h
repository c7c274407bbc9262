// Asks the DNS for the facts that marks.h judges. It may take as long as the DNS does, within a
// bound: nobody's mail waits for it.
#pragma once

#include <functional>

#include "dns/marks.h"
#include "net/resolver.h"

namespace posthorn::dns {

// What is looked at: this machine and its domains.
enum class Way { direct, by_relay };  // that its mail takes to others
struct Subject {
  struct Domain {
    std::string name;
    std::vector<KeyFacts> keys;  // without what is published of them
  };
  std::string host;
  std::vector<std::string> own;  // this machine's addresses, private ones too
  std::vector<Domain> domains;
  Way way = Way::direct;  // by a relay nobody looks at this machine's reverse name
  Unsigned without_key = Unsigned::fault;
};

inline constexpr std::size_t kDomainsMax = 15;  // of further ones nothing is asked

// Of the addresses of this machine those that the Internet reaches.
std::vector<std::string> public_ones(const std::vector<std::string>& addresses);

// Until when the next question may wait, asked before each: one that nobody answers does not take
// the others' time, and who stops the server says so here.
using Patience = std::function<SteadyTime()>;
// What marks.h judges, of this machine and of one domain.
net::Awaitable<HostFacts> ask_host(net::Resolver& resolver, const Subject& subject,
                                   const Patience& patience);
net::Awaitable<DomainFacts> ask_domain(net::Resolver& resolver, Subject::Domain domain,
                                       const HostFacts& host, const Patience& patience);
// What is not answered by then stays unasked.
net::Awaitable<std::vector<health::Mark>> ask_marks(net::Resolver& resolver, Subject subject,
                                                    Patience patience);

}  // namespace posthorn::dns
