#include "dns/marks.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "dns/mark.h"
#include "message/dkim.h"

namespace posthorn::dns {
namespace {

using health::Mark;

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

std::string canonical(std::string_view name) {
  std::string host = to_lower(name);
  if (host.ends_with('.')) host.pop_back();
  return host;
}

Mark judge_addresses(const HostFacts& facts) {
  if (!facts.addresses) return unasked(facts.host, "A", facts.addresses.error().what);
  const std::string own = facts.own.empty() ? "ADDRESS" : facts.own.front();
  const std::string publish =
      fmt::format("publish: {}. {} {}", facts.host, own.contains(':') ? "AAAA" : "A", own);
  if (facts.addresses->empty()) return missing(facts.host, "A", "it has no address", publish);
  const std::string shown = fmt::format("{}", fmt::join(*facts.addresses, " "));
  // Behind a translation of addresses nobody here knows the one outside.
  if (facts.own.empty())
    return unasked(facts.host, "A",
                   shown + "; this machine itself has private addresses alone: set dns.addresses");
  for (const std::string& address : *facts.addresses)
    if (!has(facts.own, address))
      return wrong(facts.host, "A", address + " is not this machine's", publish);
  return good(facts.host, "A", shown);
}

// RFC 1912 section 2.1: many servers refuse mail from an address without a name, or of another.
Mark judge_names(const HostFacts& facts, const std::string& address, const Answer& names) {
  if (!names) return unasked(address, "PTR", names.error().what);
  const std::string remedy =
      fmt::format("have the provider of {} set its reverse name to {}", address, facts.host);
  if (names->empty()) return missing(address, "PTR", "it has no name", remedy);
  for (const std::string& name : *names)
    if (canonical(name) == canonical(facts.host)) return good(address, "PTR", facts.host);
  return wrong(address, "PTR", fmt::format("{}", fmt::join(*names, " ")), remedy);
}

Mark judge_exchangers(const DomainFacts& facts) {
  if (!facts.exchangers) return unasked(facts.domain, "MX", facts.exchangers.error().what);
  const std::string publish = fmt::format("publish: {}. MX 10 {}.", facts.domain, facts.host);
  // RFC 5321 section 5.1 takes the domain's own address then. Of a domain spam filters take it
  // amiss; a host is found so.
  if (facts.exchangers->empty() && canonical(facts.domain) == canonical(facts.host))
    return good(facts.domain, "MX", "there is none, and its own address counts");
  if (facts.exchangers->empty()) return missing(facts.domain, "MX", "there is none", publish);
  if (facts.exchangers->front().empty())
    return wrong(facts.domain, "MX", "it says that the domain takes no mail (RFC 7505)", publish);
  const std::string shown = fmt::format("{}", fmt::join(*facts.exchangers, " "));
  std::string unknown;
  for (const std::string& host : *facts.exchangers)
    if (canonical(host) == canonical(facts.host)) return good(facts.domain, "MX", shown);
  for (const auto& [host, addresses] : facts.leads) {
    if (!addresses) {
      unknown = addresses.error().what;
      continue;
    }
    for (const std::string& address : *addresses)
      if (has(facts.here, address)) return good(facts.domain, "MX", shown);
  }
  if (!unknown.empty()) return unasked(facts.domain, "MX", unknown);
  return wrong(facts.domain, "MX", shown + ": none of them leads here", publish);
}

// What the record and those it includes let pass, where they were asked.
std::optional<Mark> judge_walk(const DomainFacts& facts, const std::string& record,
                               const std::string& publish) {
  if (!facts.walk) return std::nullopt;
  if (facts.walk->lookups > kSpfLookupsMax)
    return wrong(facts.domain, "SPF",
                 fmt::format("it makes others look up {} records or more, and beyond {} it counts "
                             "for nobody (RFC 7208 section 4.6.4)",
                             facts.walk->lookups, kSpfLookupsMax),
                 "leave out an include: that nobody sends by, or name its addresses by ip4:");
  SpfSender sender{.host = canonical(facts.host), .here = facts.here, .relay = facts.relay};
  // Its own mark says where the MX leads; SPF only asks whether it does.
  if (judge_exchangers(facts).outcome == "good") sender.leads_by.push_back(facts.domain);
  switch (covers(*facts.walk, sender)) {
    case SpfCover::no:
      return wrong(facts.domain, "SPF",
                   fmt::format("{}: {} may not send", record,
                               facts.relay.empty() ? "this server" : "the relay"),
                   publish);
    case SpfCover::unknown:
      if (!facts.walk->unknown.empty())
        return unasked(facts.domain, "SPF", facts.walk->unknown.front());
      return std::nullopt;
    case SpfCover::yes:
      return std::nullopt;
  }
  return std::nullopt;
}

Mark judge_spf(const DomainFacts& facts) {
  if (!facts.texts) return unasked(facts.domain, "SPF", facts.texts.error().what);
  std::vector<std::string> records;
  for (const std::string& text : *facts.texts)
    if (is_spf(text)) records.push_back(text);
  const std::string publish =
      facts.spf.empty()
          ? fmt::format("publish: {}. TXT \"v=spf1 mx ~all\" (with include: of a relay)",
                        facts.domain)
          : fmt::format("publish: {}. TXT \"{}\"", facts.domain, facts.spf);
  if (records.empty()) return missing(facts.domain, "SPF", "there is none", publish);
  if (records.size() > 1)
    return wrong(facts.domain, "SPF",
                 fmt::format("there are {}, so none counts (RFC 7208 section 4.5)", records.size()),
                 "leave one of the TXT records that begin with v=spf1");
  if (to_lower(records.front()) == "v=spf1 -all")
    return wrong(facts.domain, "SPF", records.front() + ": nobody may send", publish);
  if (auto fault = judge_walk(facts, records.front(), publish)) return *std::move(fault);
  return good(facts.domain, "SPF", records.front());
}

// RFC 7489 section 6.6.3: of several records none counts; and section 6.3.
Mark judge_dmarc(const DomainFacts& facts, const std::vector<Mark>& others) {
  const std::string& name = facts.domain;
  if (!facts.policies) return unasked(name, "DMARC", facts.policies.error().what);
  const std::string publish = fmt::format("publish: _dmarc.{}. TXT \"v=DMARC1; p=none\"", name);
  std::vector<std::string> records;
  for (const std::string& text : *facts.policies)
    if (to_lower(text).starts_with("v=dmarc1")) records.push_back(text);
  if (records.empty()) return missing(name, "DMARC", "there is none", publish);
  if (records.size() > 1)
    return wrong(name, "DMARC", fmt::format("there are {}, so none counts", records.size()),
                 "leave one of the TXT records that begin with v=DMARC1");
  const auto tags = message::parse_tags(records.front());
  const std::string policy = tags ? to_lower(message::find_tag(*tags, "p")) : "";
  if (policy != "none" && policy != "quarantine" && policy != "reject")
    return wrong(name, "DMARC", records.front() + ": its p= is no policy", publish);
  // Either of the two in the name of this domain is enough (section 4.2).
  const auto passes = [&](std::string_view record) {
    return std::ranges::any_of(others, [&](const Mark& mark) {
      return mark.record == record && (mark.outcome == "good" || mark.outcome == "unasked");
    });
  };
  const bool is_signed_elsewhere = facts.keys.empty() && facts.without_key == Unsigned::meant;
  if (policy != "none" && !passes("SPF") && !passes("DKIM") && !is_signed_elsewhere)
    return wrong(name, "DMARC",
                 records.front() + ": and neither SPF nor DKIM lets this domain's mail pass",
                 "mend SPF or DKIM first, or say p=none until then");
  return good(name, "DMARC", records.front());
}

void judge_keys(const DomainFacts& facts, std::vector<Mark>& marks) {
  if (facts.keys.empty() && facts.without_key == Unsigned::fault)
    marks.push_back(missing(facts.domain, "DKIM", "there is no key, so its mail goes unsigned",
                            "posthorn dkim key " + facts.domain));
  for (const KeyFacts& key : facts.keys) {
    const std::string name = fmt::format("{}._domainkey.{}", key.selector, facts.domain);
    if (!key.records) {
      marks.push_back(unasked(name, "DKIM", key.records.error().what));
      continue;
    }
    const std::string fault = find_key_fault(*key.records, key.type, key.public_base64);
    const std::string remedy =
        fmt::format("publish what `posthorn dkim show {}` prints", facts.domain);
    if (fault.empty())
      marks.push_back(good(name, "DKIM", key.type));
    else if (key.records->empty())
      marks.push_back(missing(name, "DKIM", fault, remedy));
    else
      marks.push_back(wrong(name, "DKIM", fault, remedy));
  }
}

}  // namespace

std::string find_key_fault(const std::vector<std::string>& records, const std::string& type,
                           const std::string& public_base64) {
  std::string fault = "there is no such record";
  for (const std::string& record : records) {
    const auto tags = message::parse_tags(record);
    // RFC 6376 section 3.6.1: v= may be missing, and k= stands for rsa then.
    const std::string_view version = tags ? message::find_tag(*tags, "v") : "";
    if (!tags || (!version.empty() && version != "DKIM1")) {
      fault = "the record is none of DKIM";
      continue;
    }
    const std::string_view said_type = message::find_tag(*tags, "k");
    const std::string_view hashes = message::find_tag(*tags, "h");
    if (message::find_tag(*tags, "p").empty())
      fault = "the record says that the key is revoked (an empty p=)";
    else if (message::find_tag(*tags, "p") != public_base64 ||
             (said_type.empty() ? "rsa" : said_type) != type)
      fault = "the record is of another key";
    else if (!hashes.empty() && hashes.find("sha256") == std::string_view::npos)
      fault = "the record does not allow SHA-256 (h=)";
    else
      return {};
  }
  return fault;
}

std::vector<Mark> judge_host(const HostFacts& facts) {
  std::vector<Mark> marks = {judge_addresses(facts)};
  for (const auto& [address, names] : facts.names)
    marks.push_back(judge_names(facts, address, names));
  return marks;
}

std::vector<Mark> judge_domain(const DomainFacts& facts) {
  std::vector<Mark> marks = {judge_exchangers(facts), judge_spf(facts)};
  judge_keys(facts, marks);
  marks.push_back(judge_dmarc(facts, marks));
  return marks;
}

}  // namespace posthorn::dns
