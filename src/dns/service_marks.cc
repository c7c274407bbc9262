#include "dns/service_marks.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <span>

#include "base/ascii.h"
#include "dns/mark.h"
#include "message/dkim.h"
#include "net/dns_message.h"

namespace posthorn::dns {
namespace {

using health::Mark;

std::string publish(const Record& record) {
  return "publish: " + to_line(record);
}

// Those that begin with just this tag.
std::vector<std::string> tagged(const std::vector<std::string>& texts, std::string_view version) {
  std::vector<std::string> found;
  for (const std::string& text : texts)
    if (text == version || text.starts_with(std::string(version) + ";") ||
        text.starts_with(std::string(version) + " "))
      found.push_back(text);
  return found;
}

std::string hex(std::string_view bytes) {
  return fmt::format(
      "{:02x}",
      fmt::join(std::span(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()), ""));
}

std::string text_of(const net::TlsaRecord& record) {
  return fmt::format("{} {} {} {}", record.usage, record.selector, record.matching,
                     hex(record.data));
}

}  // namespace

Mark judge_policy_record(const Record& wanted, const Answer& texts) {
  if (!texts) return unasked(wanted.owner, "MTA-STS", texts.error().what);
  const auto found = tagged(*texts, "v=STSv1");
  if (found.empty()) return missing(wanted.owner, "MTA-STS", "there is none", publish(wanted));
  // RFC 8461 section 3.1: with several there is no policy.
  if (found.size() > 1)
    return wrong(wanted.owner, "MTA-STS", fmt::format("there are {}, so none counts", found.size()),
                 "leave one: " + to_line(wanted));
  const auto tags = message::parse_tags(found.front());
  const std::string id(tags ? message::find_tag(*tags, "id") : "");
  if (id.empty()) return wrong(wanted.owner, "MTA-STS", "it has no id=", publish(wanted));
  if (!wanted.data.contains("id=" + id + "\""))
    return wrong(
        wanted.owner, "MTA-STS",
        fmt::format("its id is {}: who knows that one never asks for the policy of now", id),
        publish(wanted));
  return good(wanted.owner, "MTA-STS", found.front());
}

std::optional<Mark> judge_stray_policy(const std::string& domain, const Answer& texts) {
  if (!texts || tagged(*texts, "v=STSv1").empty()) return std::nullopt;
  return wrong("_mta-sts." + domain, "MTA-STS",
               "a policy is announced, and this server serves none",
               "set mta_sts.mode and listen.https, or take the record away (RFC 8461 section 8.3: "
               "first mta_sts.mode = \"none\" for as long as the old policy's max_age)");
}

Mark judge_reports(const Record& wanted, const Answer& texts) {
  if (!texts) return unasked(wanted.owner, "TLS-RPT", texts.error().what);
  const auto found = tagged(*texts, "v=TLSRPTv1");
  if (found.empty()) return missing(wanted.owner, "TLS-RPT", "there is none", publish(wanted));
  if (found.size() > 1)
    return wrong(wanted.owner, "TLS-RPT", fmt::format("there are {}, so none counts", found.size()),
                 "leave one of them");
  const auto tags = message::parse_tags(found.front());
  if (!tags || message::find_tag(*tags, "rua").empty())
    return wrong(wanted.owner, "TLS-RPT", found.front() + ": it has no rua=", publish(wanted));
  return good(wanted.owner, "TLS-RPT", found.front());
}

Mark judge_service(const Record& wanted, const Asked<net::SrvRecord>& records) {
  if (!records) return unasked(wanted.owner, "SRV", records.error().what);
  const bool is_off = wanted.data.ends_with(" .");
  if (records->records.empty())
    return is_off ? good(wanted.owner, "SRV", "there is none, nor such a service")
                  : missing(wanted.owner, "SRV", "there is none", publish(wanted));
  for (const net::SrvRecord& one : records->records) {
    const std::string shown = one.target.empty() ? "there is no such service"
                                                 : fmt::format("{} port {}", one.target, one.port);
    const std::string end =
        one.target.empty() ? " ." : fmt::format(" {} {}.", one.port, one.target);
    if (one.target.empty() != is_off || (!is_off && !wanted.data.ends_with(end)))
      return wrong(wanted.owner, "SRV", shown, publish(wanted));
  }
  return good(wanted.owner, "SRV", wanted.data);
}

Mark judge_dane(const Record& wanted, const std::vector<std::string>& keys,
                const Asked<net::TlsaRecord>& records) {
  if (!records) return unasked(wanted.owner, "TLSA", records.error().what);
  if (records->records.empty())
    return missing(wanted.owner, "TLSA", "there is none",
                   publish(wanted) + " (if the zone is signed by DNSSEC)");
  bool is_by_other_means = false;
  for (const net::TlsaRecord& one : records->records) {
    const bool is_key = one.usage == 3 && one.selector == 1 && one.matching == 1;
    if (is_key && std::ranges::find(keys, hex(one.data)) != keys.end())
      return good(wanted.owner, "TLSA",
                  "3 1 1 of this key" +
                      std::string(records->validated == net::Validated::yes
                                      ? ", validated"
                                      : "; the resolver does not say that the zone is signed, "
                                        "without which it counts for nobody"));
    is_by_other_means = is_by_other_means || (!is_key && (one.usage == 2 || one.usage == 3));
  }
  if (is_by_other_means)
    return unasked(wanted.owner, "TLSA",
                   text_of(records->records.front()) + ": only 3 1 1 is compared here");
  return wrong(wanted.owner, "TLSA",
               text_of(records->records.front()) +
                   ": of another key, and who validates it sends no mail here",
               publish(wanted));
}

std::optional<Mark> judge_stray_dane(const std::string& name,
                                     const Asked<net::TlsaRecord>& records) {
  if (!records || records->records.empty()) return std::nullopt;
  return unasked(name, "TLSA",
                 text_of(records->records.front()) +
                     ": this server's certificate could not be read to compare them");
}

Mark judge_web_name(const Record& wanted, const Answer& addresses,
                    const std::vector<std::string>& here) {
  const char* const record = wanted.owner.starts_with("mta-sts.") ? "MTA-STS" : "CNAME";
  if (!addresses) return unasked(wanted.owner, record, addresses.error().what);
  if (addresses->empty())
    return missing(wanted.owner, record, "there is no such name", publish(wanted));
  if (here.empty())
    return unasked(wanted.owner, record, "nobody here knows this machine's own addresses");
  for (const std::string& address : *addresses)
    if (std::ranges::find(here, address) == here.end())
      return wrong(wanted.owner, record, "it leads to " + address + ", which is not this machine",
                   publish(wanted));
  return good(wanted.owner, record, fmt::format("{}", fmt::join(*addresses, " ")));
}

Mark judge_authority(const Record& wanted, const std::string& authority,
                     const Asked<net::CaaRecord>& records) {
  if (!records) return unasked(wanted.owner, "CAA", records.error().what);
  std::string others;
  bool has_issue = false;
  for (const net::CaaRecord& one : records->records) {
    if (one.tag != "issue") continue;
    has_issue = true;
    std::string name = to_lower(one.value.substr(0, one.value.find(';')));
    while (name.ends_with(' ')) name.pop_back();
    if (name == authority) return good(wanted.owner, "CAA", one.value);
    others += (others.empty() ? "" : " ") + (name.empty() ? "nobody" : name);
  }
  if (!has_issue)
    return missing(wanted.owner, "CAA", "anybody may issue certificates", publish(wanted));
  return wrong(wanted.owner, "CAA",
               fmt::format("only {} may issue certificates, and not {}", others, authority),
               publish(wanted));
}

std::optional<Mark> judge_alias(const std::string& domain, const Asked<std::string>& alias) {
  if (!alias || alias->records.empty()) return std::nullopt;
  return wrong(domain, "CNAME",
               fmt::format("it is an alias of {}, so what is published is that name's",
                           alias->records.front()),
               fmt::format("replace the CNAME of {} by A and AAAA: no other record can stand "
                           "beside it",
                           domain));
}

Mark judge_fetched(const std::string& domain, const std::string& policy,
                   const Result<Fetched>& fetched) {
  const std::string name = "mta-sts." + domain;
  const std::string url = fmt::format("https://{}/.well-known/mta-sts.txt", name);
  const std::string remedy = fmt::format(
      "see that {} answers, with a certificate for {} that all trust (acme.web_names)", url, name);
  if (!fetched) return wrong(name, "policy", fetched.error().what, remedy);
  if (fetched->status != 200)
    return wrong(name, "policy", fmt::format("the answer is {}", fetched->status), remedy);
  // RFC 8461 section 3.2.
  if (!to_lower(fetched->type).starts_with("text/plain"))
    return wrong(name, "policy", fmt::format("its type is \"{}\"", fetched->type), remedy);
  const auto there = parse_policy(fetched->body);
  if (!there) return wrong(name, "policy", there.error().what, remedy);
  const auto ours = parse_policy(policy);
  if (ours && !ours->mx.empty() && !allows(*there, ours->mx.front()))
    return wrong(name, "policy", fmt::format("{} is none of its mx", ours->mx.front()),
                 "serve this server's policy there, or add the name to it");
  if (ours && (there->mode != ours->mode || there->max_age != ours->max_age))
    return wrong(name, "policy",
                 fmt::format("its mode is {}, max_age {}", there->mode, there->max_age),
                 "it is not of this server, or of before a restart: posthorn restart");
  return good(name, "policy", "mode " + there->mode);
}

std::string listing_name(const std::string& address, const std::string& list) {
  return fmt::format("{}.{}", net::reverse_labels(address), list);
}

// Section 2.1 of RFC 5782 has 127.0.0.0/8 for answers; lists say so in 127.255.255.0/24 that they
// do not answer who asks (through a resolver of many, too often, a name that is mistyped).
Mark judge_listing(const std::string& address, const std::string& list, const Answer& addresses) {
  const std::string name = fmt::format("{} in {}", address, list);
  if (!addresses) return unasked(name, "block list", addresses.error().what);
  if (addresses->empty()) return good(name, "block list", "not listed");
  std::string codes;
  for (const std::string& code : *addresses) {
    if (code.starts_with("127.255.255."))
      return unasked(name, "block list",
                     code +
                         ": the list does not answer this resolver; ask through one of your own "
                         "(relay.resolver)");
    if (!code.starts_with("127.0."))
      return unasked(name, "block list", code + ": that is no answer of such a list");
    codes += (codes.empty() ? "" : " ") + code;
  }
  return wrong(name, "block list", "listed: " + codes,
               fmt::format("ask https://{} why, and to be taken off the list",
                           list.starts_with("zen.") ? "check.spamhaus.org" : list));
}

bool is_needed(std::string_view record) {
  for (const std::string_view needed : {"A", "PTR", "MX", "SPF", "DKIM", "DMARC"})
    if (record == needed) return true;
  return false;
}

bool matters(const Mark& mark) {
  return mark.outcome == "wrong" || (mark.outcome == "missing" && is_needed(mark.record));
}

}  // namespace posthorn::dns
