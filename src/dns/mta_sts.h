// MTA-STS (RFC 8461): the policy of our domains as a text that the web role serves, and the id that
// the DNS tells of it. Both are of one value here, so the id is another exactly when the policy is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace posthorn::dns {

// Section 3.2. Empty: there is no policy (mode "off").
std::string make_policy(const config::MtaSts& settings, const std::string& host);
// id= of the TXT record (section 3.1): letters and digits, of the text's content.
std::string policy_id(std::string_view policy);

struct Policy {
  std::string mode;
  std::uint64_t max_age = 0;    // seconds
  std::vector<std::string> mx;  // "mx.example.org", "*.example.org"
};
// What another server serves; an error says what is wrong with it.
Result<Policy> parse_policy(std::string_view text);
// Section 4.1: one of the patterns is the host.
bool allows(const Policy& policy, std::string_view host);

}  // namespace posthorn::dns
