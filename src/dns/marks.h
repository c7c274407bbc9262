// What the DNS should say of this server and its domains, beside what it says: the facts as they
// were asked, and the judgement as marks. Asks nothing itself (asker.h does), so every answer, and
// the want of one, can be tried. Four outcomes: good, missing, wrong with what is there, and
// "nobody could say", which is no fault of the record's.
//
// RFC 5321 section 5.1 (MX), RFC 7505 (null MX), RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "dns/spf.h"
#include "health/page.h"

namespace posthorn::dns {

using Answer = Result<std::vector<std::string>>;  // an Error: nobody could say

// This machine, as others find it.
struct HostFacts {
  std::string host;
  std::vector<std::string> own;                       // its addresses that the Internet can reach
  Answer addresses;                                   // of the host name: A and AAAA
  std::vector<std::pair<std::string, Answer>> names;  // PTR, of each of those
};
std::vector<health::Mark> judge_host(const HostFacts& facts);

// A key that signs, and what is published of it.
struct KeyFacts {
  std::string selector;
  std::string type;           // k=
  std::string public_base64;  // p=
  Answer records;             // TXT of SELECTOR._domainkey.DOMAIN
};
// Why those that check signatures will not find this key; empty: they will. RFC 6376 section 3.6.1.
std::string find_key_fault(const std::vector<std::string>& records, const std::string& type,
                           const std::string& public_base64);

enum class Unsigned { meant, fault };  // that there is no key

struct DomainFacts {
  std::string domain;
  std::string host;                                   // this machine's name
  std::vector<std::string> here;                      // the addresses that it has
  Answer exchangers;                                  // MX, the best first; "" is a null MX
  std::vector<std::pair<std::string, Answer>> leads;  // of those, and where each leads
  Answer texts;                                       // TXT of the domain
  Answer policies;                                    // TXT of _dmarc of it or of a parent
  std::vector<KeyFacts> keys;
  std::string spf;    // the record to publish; empty: the usual one
  std::string relay;  // relay_term() of the one that its mail goes by; empty: it goes direct
  std::optional<SpfWalk> walk;  // what its SPF leads to; none: that was not asked
  Unsigned without_key = Unsigned::fault;
};
std::vector<health::Mark> judge_domain(const DomainFacts& facts);

}  // namespace posthorn::dns
