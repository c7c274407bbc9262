// SPF (RFC 7208) as far as it is published for others to judge: which terms let this server and its
// relay send, a record that has them beside what is there already, and what those that check it
// have to look up. It judges no mail that comes in.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/next_hop.h"

namespace posthorn::dns {

inline constexpr int kSpfLookupsMax = 10;  // section 4.6.4

// Section 4.5: it begins with just this word.
bool is_spf(std::string_view text);
// What lets a relay send: the provider's include:, or its addresses where it is none that is known.
std::string relay_term(const config::NextHop& relay);
// The one record to publish: what is there (empty: nothing), with the terms that it lacks before
// the first that ends it.
std::string merge_spf(std::string_view published, const std::vector<std::string>& terms);

// One term of a record, without its sign where that is +.
struct SpfTerm {
  std::string domain;  // whose record it stands in
  std::string text;    // "include:sendgrid.net", lower case
  std::string name() const { return text.substr(0, text.find_first_of(":=/")); }
  std::string target() const;  // "sendgrid.net"; empty: the domain itself
};
std::vector<SpfTerm> spf_terms(const std::string& domain, std::string_view record);
// It makes those that check look something up.
bool costs_lookup(const SpfTerm& term);

// A record and those it includes, as far as they were asked.
struct SpfWalk {
  std::vector<SpfTerm> terms;
  int lookups = 0;
  std::vector<std::string> unknown;  // of which nobody could say what they hold
};

// Do the terms let one of these senders pass, by what stands there?
struct SpfSender {
  std::string host;                   // this machine's name
  std::vector<std::string> here;      // and addresses
  std::vector<std::string> leads_by;  // domains whose MX leads here
  std::string relay;                  // relay_term(); empty: this machine sends itself
};
enum class SpfCover { yes, no, unknown };
SpfCover covers(const SpfWalk& walk, const SpfSender& sender);

}  // namespace posthorn::dns
