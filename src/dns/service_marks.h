// The judgement on what is published beside the records that mail cannot do without: MTA-STS,
// TLS-RPT, TLSA, SRV, the names of web pages, CAA, and what the lists of bad addresses say. Asks
// nothing itself, as marks.h.
#pragma once

#include "dns/marks.h"
#include "dns/mta_sts.h"
#include "dns/records.h"
#include "net/resolver.h"

namespace posthorn::dns {

template <class T>
using Asked = Result<net::Resolver::Records<T>>;  // an Error: nobody could say

// wanted: the record that should be there; its purpose is of no interest here.
health::Mark judge_policy_record(const Record& wanted, const Answer& texts);  // _mta-sts
// A policy is announced that nobody here serves.
std::optional<health::Mark> judge_stray_policy(const std::string& domain, const Answer& texts);
health::Mark judge_reports(const Record& wanted, const Answer& texts);  // _smtp._tls
health::Mark judge_service(const Record& wanted, const Asked<net::SrvRecord>& records);
// keys: in hex digits, of the certificate that is shown.
health::Mark judge_dane(const Record& wanted, const std::vector<std::string>& keys,
                        const Asked<net::TlsaRecord>& records);
// RFC 7672 section 3.1.3: records of another key, where none is wanted here, stop mail.
std::optional<health::Mark> judge_stray_dane(const std::string& name,
                                             const Asked<net::TlsaRecord>& records);
// Where the name leads; here: this machine's addresses.
health::Mark judge_web_name(const Record& wanted, const Answer& addresses,
                            const std::vector<std::string>& here);
// The records of the name or of the nearest parent that has some (RFC 8659 section 3).
health::Mark judge_authority(const Record& wanted, const std::string& authority,
                             const Asked<net::CaaRecord>& records);
// RFC 2181 section 10.1: beside an alias nothing else can stand.
std::optional<health::Mark> judge_alias(const std::string& domain, const Asked<std::string>& alias);

// What https://mta-sts.DOMAIN/.well-known/mta-sts.txt answered.
struct Fetched {
  int status = 0;
  std::string type;
  std::string body;
};
health::Mark judge_fetched(const std::string& domain, const std::string& policy,
                           const Result<Fetched>& fetched);

// RFC 5782: the name to ask about an address, and what the answer says.
std::string listing_name(const std::string& address, const std::string& list);
health::Mark judge_listing(const std::string& address, const std::string& list,
                           const Answer& addresses);

// A record that mail cannot do without.
bool is_needed(std::string_view record);
// A fault for the exit status of a script: whatever is wrong, and what mail cannot do without.
bool matters(const health::Mark& mark);

}  // namespace posthorn::dns
