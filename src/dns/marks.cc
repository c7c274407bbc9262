#include "dns/marks.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "message/dkim.h"

namespace posthorn::dns {
namespace {

using health::Mark;

constexpr std::size_t kFoundMax = 120;  // bytes of what strangers publish

Mark make_mark(const std::string& name, const char* record, const char* outcome, std::string found,
               std::string remedy = "") {
  found.resize(std::min(found.size(), kFoundMax));
  return {.name = name,
          .record = record,
          .outcome = outcome,
          .found = std::move(found),
          .remedy = std::move(remedy)};
}
Mark good(const std::string& name, const char* record, std::string found) {
  return make_mark(name, record, "good", std::move(found));
}
Mark wrong(const std::string& name, const char* record, std::string found, std::string remedy) {
  return make_mark(name, record, "wrong", std::move(found), std::move(remedy));
}
Mark unasked(const std::string& name, const char* record, const std::string& why) {
  return make_mark(name, record, "unasked", why);
}

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
  const std::string publish = fmt::format("publish: {}. A {}", facts.host,
                                          facts.own.empty() ? "ADDRESS" : facts.own.front());
  if (facts.addresses->empty()) return wrong(facts.host, "A", "it has no address", publish);
  const std::string shown = fmt::format("{}", fmt::join(*facts.addresses, " "));
  // Behind a translation of addresses nobody here knows the one outside.
  if (facts.own.empty())
    return unasked(facts.host, "A", shown + "; this machine itself has private addresses alone");
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
  if (names->empty()) return wrong(address, "PTR", "it has no name", remedy);
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
  if (facts.exchangers->empty()) return wrong(facts.domain, "MX", "there is none", publish);
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

// RFC 7208 section 4.5: the records that begin with just this word.
Mark judge_spf(const DomainFacts& facts) {
  if (!facts.texts) return unasked(facts.domain, "SPF", facts.texts.error().what);
  std::vector<std::string> records;
  for (const std::string& text : *facts.texts) {
    const std::string lower = to_lower(text);
    if (lower == "v=spf1" || lower.starts_with("v=spf1 ")) records.push_back(text);
  }
  const std::string publish =
      fmt::format("publish: {}. TXT \"v=spf1 mx ~all\" (with include: of a relay)", facts.domain);
  if (records.empty()) return wrong(facts.domain, "SPF", "there is none", publish);
  if (records.size() > 1)
    return wrong(facts.domain, "SPF",
                 fmt::format("there are {}, so none counts (RFC 7208 section 4.5)", records.size()),
                 "leave one of the TXT records that begin with v=spf1");
  if (to_lower(records.front()) == "v=spf1 -all")
    return wrong(facts.domain, "SPF", records.front() + ": nobody may send", publish);
  return good(facts.domain, "SPF", records.front());
}

// RFC 7489 section 6.6.3.
Mark judge_dmarc(const DomainFacts& facts) {
  if (!facts.policies) return unasked(facts.domain, "DMARC", facts.policies.error().what);
  for (const std::string& text : *facts.policies)
    if (to_lower(text).starts_with("v=dmarc1")) return good(facts.domain, "DMARC", text);
  return wrong(facts.domain, "DMARC", "there is none",
               fmt::format("publish: _dmarc.{}. TXT \"v=DMARC1; p=none\"", facts.domain));
}

void judge_keys(const DomainFacts& facts, std::vector<Mark>& marks) {
  if (facts.keys.empty() && facts.without_key == Unsigned::fault)
    marks.push_back(wrong(facts.domain, "DKIM", "there is no key, so its mail goes unsigned",
                          "posthorn dkim key " + facts.domain));
  for (const KeyFacts& key : facts.keys) {
    const std::string name = fmt::format("{}._domainkey.{}", key.selector, facts.domain);
    if (!key.records) {
      marks.push_back(unasked(name, "DKIM", key.records.error().what));
      continue;
    }
    const std::string fault = find_key_fault(*key.records, key.type, key.public_base64);
    if (fault.empty())
      marks.push_back(good(name, "DKIM", key.type));
    else
      marks.push_back(
          wrong(name, "DKIM", fault,
                fmt::format("publish what `posthorn dkim show {}` prints", facts.domain)));
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
  marks.push_back(judge_dmarc(facts));
  return marks;
}

}  // namespace posthorn::dns
