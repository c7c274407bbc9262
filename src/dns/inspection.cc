#include "dns/inspection.h"

#include <algorithm>
#include <deque>

#include "base/ascii.h"
#include "dns/names.h"
#include "dns/service_marks.h"
#include "net/own_addresses.h"

namespace posthorn::dns {
namespace {

// One inspection: what is asked of, and the marks as they come.
class Inspector {
 public:
  Inspector(net::Resolver& resolver, Inspected inspected, Patience patience)
      : resolver_(resolver),
        inspected_(std::move(inspected)),
        domain_(inspected_.domain.name),
        patience_(std::move(patience)) {}

  net::Awaitable<Inspection> run() {
    co_await ask_records();
    add_alias(co_await resolver_.alias(domain_, patience_()));
    std::ranges::move(judge_host(host_), std::back_inserter(out_.marks));
    std::ranges::move(judge_domain(facts_), std::back_inserter(out_.marks));
    for (const Record& record : out_.records) co_await inspect_record(record);
    co_await find_stray();
    co_await ask_lists();
    co_return std::move(out_);
  }

  // The facts that decide what the records are, and the records.
  net::Awaitable<void> ask_records() {
    Server& server = inspected_.server;
    const Subject subject{.host = server.host,
                          .own = server.addresses,
                          .domains = {},
                          .way = server.relay.empty() ? Way::direct : Way::by_relay};
    host_ = co_await ask_host(resolver_, subject, patience_);
    // Behind a translation of addresses, those that are published are the best that is known.
    server.addresses = host_.own;
    if (server.addresses.empty() && host_.addresses) server.addresses = *host_.addresses;
    Domain domain{.name = domain_, .keys = inspected_.domain.keys, .spf = {}, .dmarc = {}};
    facts_ = co_await ask_domain(resolver_, std::move(inspected_.domain), host_, patience_);
    facts_.without_key = inspected_.without_key;
    facts_.relay = server.relay;
    if (facts_.texts) {
      const auto spf = std::ranges::find_if(*facts_.texts, is_spf);
      if (spf != facts_.texts->end() && std::ranges::count_if(*facts_.texts, is_spf) == 1) {
        domain.spf = *spf;
        facts_.walk = co_await walk_spf(*spf);
      }
    }
    const auto own = co_await resolver_.txt("_dmarc." + domain_, patience_());
    if (own && own->size() == 1 && to_lower(own->front()).starts_with("v=dmarc1"))
      domain.dmarc = own->front();
    // What nobody may send by is replaced, not merged: it is of a domain without mail.
    if (to_lower(domain.spf) == "v=spf1 -all") domain.spf.clear();
    facts_.spf = merge_spf(domain.spf, spf_wanted(server));
    out_.records = make_records(server, domain);
  }
  std::vector<Record> take_records() { return std::move(out_.records); }

 private:
  // RFC 7208 section 4.6.4: beyond the bound nobody goes on, and nor does this.
  net::Awaitable<SpfWalk> walk_spf(std::string record) {
    SpfWalk walk;
    std::deque<std::pair<std::string, std::string>> waiting = {{domain_, std::move(record)}};
    std::vector<std::string> seen = {domain_};
    while (!waiting.empty() && walk.lookups <= kSpfLookupsMax) {
      const auto [domain, text] = std::move(waiting.front());
      waiting.pop_front();
      for (SpfTerm& term : spf_terms(domain, text)) {
        if (costs_lookup(term)) ++walk.lookups;
        const std::string next = term.target();
        const bool leads = term.name() == "include" || term.name() == "redirect";
        walk.terms.push_back(std::move(term));
        if (!leads || walk.lookups > kSpfLookupsMax || next.contains('%') ||
            std::ranges::find(seen, next) != seen.end())
          continue;
        seen.push_back(next);
        const auto texts = co_await resolver_.txt(next, patience_());
        if (!texts) {
          walk.unknown.push_back(texts.error().what);
          continue;
        }
        for (const std::string& one : *texts)
          if (is_spf(one)) waiting.emplace_back(next, one);
      }
    }
    co_return walk;
  }

  void add(std::optional<health::Mark> mark) {
    if (mark) out_.marks.push_back(*std::move(mark));
  }
  void add_alias(const Asked<std::string>& alias) { add(judge_alias(domain_, alias)); }

  // Those of marks.h have their marks already.
  net::Awaitable<void> inspect_record(const Record& record) {
    const std::string& name = record.owner;
    if (record.type == "SRV") {
      add(judge_service(record, co_await resolver_.srv(name, patience_())));
    } else if (record.type == "TLSA") {
      add(judge_dane(record, inspected_.server.keys, co_await resolver_.tlsa(name, patience_())));
    } else if (record.type == "CNAME") {
      Answer addresses = co_await resolver_.addresses(name, patience_());
      if (addresses)
        for (std::string& address : *addresses) address = net::canonical_address(address);
      add(judge_web_name(record, addresses, facts_.here));
    } else if (record.type == "CAA") {
      add(judge_authority(record, inspected_.server.authority, co_await ask_caa(name)));
    } else if (name.starts_with("_mta-sts.")) {
      const Answer texts = co_await resolver_.txt(name, patience_());
      add(judge_policy_record(record, texts));
      out_.has_policy = out_.marks.back().outcome == "good" || out_.marks.back().outcome == "wrong";
    } else if (name.starts_with("_smtp._tls.")) {
      add(judge_reports(record, co_await resolver_.txt(name, patience_())));
    }
  }

  // RFC 8659 section 3: the nearest name that has some counts.
  net::Awaitable<Asked<net::CaaRecord>> ask_caa(std::string name) {
    constexpr std::size_t kParentsMax = 8;
    Asked<net::CaaRecord> found = net::Resolver::Records<net::CaaRecord>{};
    for (std::size_t i = 0; i < kParentsMax && !name.empty(); ++i) {
      found = co_await resolver_.caa(name, patience_());
      if (!found || !found->records.empty()) co_return found;
      const std::size_t dot = name.find('.');
      name.erase(0, dot == std::string::npos ? name.size() : dot + 1);
    }
    co_return found;
  }

  // What is published, and is nothing of this server's.
  net::Awaitable<void> find_stray() {
    const Server& server = inspected_.server;
    const auto is_there = [&](std::string_view owner) {
      return std::ranges::find(out_.records, owner, &Record::owner) != out_.records.end();
    };
    if (const std::string name = "_mta-sts." + domain_; !is_there(name))
      add(judge_stray_policy(domain_, co_await resolver_.txt(name, patience_())));
    if (const std::string name = "_25._tcp." + server.host; !is_there(name))
      add(judge_stray_dane(name, co_await resolver_.tlsa(name, patience_())));
  }

  net::Awaitable<void> ask_lists() {
    constexpr std::size_t kAskedMax = 4;              // addresses
    if (!inspected_.server.relay.empty()) co_return;  // nobody sees this machine's then
    std::vector<std::string> addresses = public_ones(inspected_.server.addresses);
    if (addresses.size() > kAskedMax) addresses.resize(kAskedMax);
    for (const std::string& address : addresses)
      for (const std::string& list : inspected_.block_lists)
        add(judge_listing(address, list,
                          co_await resolver_.addresses(listing_name(address, list), patience_())));
  }

  net::Resolver& resolver_;
  Inspected inspected_;
  const std::string domain_;
  Patience patience_;
  HostFacts host_;
  DomainFacts facts_;
  Inspection out_;
};

}  // namespace

net::Awaitable<Inspection> inspect(net::Resolver& resolver, Inspected inspected,
                                   Patience patience) {
  Inspector inspector(resolver, std::move(inspected), std::move(patience));
  co_return co_await inspector.run();
}

net::Awaitable<std::vector<Record>> find_records(net::Resolver& resolver, Inspected inspected,
                                                 Patience patience) {
  Inspector inspector(resolver, std::move(inspected), std::move(patience));
  co_await inspector.ask_records();
  co_return inspector.take_records();
}

}  // namespace posthorn::dns
