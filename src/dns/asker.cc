#include "dns/asker.h"

#include <algorithm>

#include "net/networks.h"
#include "net/own_addresses.h"

namespace posthorn::dns {
namespace {

constexpr std::size_t kAddressesMax = 4;   // of the host name
constexpr std::size_t kExchangersMax = 5;  // of a domain
constexpr std::size_t kParentsMax = 5;

// RFC 7489 section 6.6.3 goes on with the organization's domain. Which one that is only a list of
// all suffixes tells; here each parent is asked that has two labels or more.
net::Awaitable<Answer> ask_policies(net::Resolver& resolver, std::string domain,
                                    const Patience& patience) {
  Answer found = std::vector<std::string>();
  for (std::size_t i = 0; i < kParentsMax && domain.find('.') != std::string::npos; ++i) {
    found = co_await resolver.txt("_dmarc." + domain, patience());
    if (!found || !found->empty()) co_return found;
    domain.erase(0, domain.find('.') + 1);
  }
  co_return found;
}

}  // namespace

std::vector<std::string> public_ones(const std::vector<std::string>& addresses) {
  std::vector<std::string> found;
  for (const std::string& address : addresses)
    if (!net::is_private(address)) found.push_back(net::canonical_address(address));
  return found;
}

net::Awaitable<HostFacts> ask_host(net::Resolver& resolver, const Subject& subject,
                                   const Patience& patience) {
  HostFacts facts{.host = subject.host, .own = public_ones(subject.own)};
  facts.addresses = co_await resolver.addresses(subject.host, patience());
  if (!facts.addresses) co_return facts;
  for (std::string& address : *facts.addresses) address = net::canonical_address(address);
  if (subject.way == Way::by_relay) co_return facts;
  for (const std::string& address : *facts.addresses) {
    if (facts.names.size() == kAddressesMax) break;
    facts.names.emplace_back(address, co_await resolver.names(address, patience()));
  }
  co_return facts;
}

net::Awaitable<DomainFacts> ask_domain(net::Resolver& resolver, Subject::Domain domain,
                                       const HostFacts& host, const Patience& patience) {
  DomainFacts facts{.domain = domain.name, .host = host.host, .here = host.own};
  if (host.addresses)
    facts.here.insert(facts.here.end(), host.addresses->begin(), host.addresses->end());
  const auto exchangers = co_await resolver.mx(domain.name, patience());
  if (!exchangers) {
    facts.exchangers = std::unexpected(exchangers.error());
  } else {
    facts.exchangers = std::vector<std::string>();
    for (const net::MxRecord& one : exchangers->records) {
      facts.exchangers->push_back(one.host);
      if (one.host.empty() || one.host == host.host || facts.leads.size() == kExchangersMax)
        continue;
      auto leads = co_await resolver.addresses(one.host, patience());
      if (leads)
        for (std::string& address : *leads) address = net::canonical_address(address);
      facts.leads.emplace_back(one.host, std::move(leads));
    }
  }
  facts.texts = co_await resolver.txt(domain.name, patience());
  facts.policies = co_await ask_policies(resolver, domain.name, patience);
  for (KeyFacts& key : domain.keys) {
    key.records = co_await resolver.txt(key.selector + "._domainkey." + domain.name, patience());
    facts.keys.push_back(std::move(key));
  }
  co_return facts;
}

net::Awaitable<std::vector<health::Mark>> ask_marks(net::Resolver& resolver, Subject subject,
                                                    Patience patience) {
  const HostFacts host = co_await ask_host(resolver, subject, patience);
  std::vector<health::Mark> marks = judge_host(host);
  if (subject.domains.size() > kDomainsMax) subject.domains.resize(kDomainsMax);
  for (Subject::Domain& domain : subject.domains) {
    DomainFacts facts = co_await ask_domain(resolver, std::move(domain), host, patience);
    facts.without_key = subject.without_key;
    std::ranges::move(judge_domain(facts), std::back_inserter(marks));
  }
  co_return marks;
}

}  // namespace posthorn::dns
