// Reads the records of a DNS answer (RFC 1035 section 4.1) that c-ares has no reader for, or whose
// owners matter. The bytes are a stranger's: each read stays inside them, and what cannot be read
// makes the whole answer none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace posthorn::net {

struct DnsRecord {
  std::string owner;  // lower case, no final dot
  int type = 0;
  std::size_t data_at = 0;  // in the message, as names in it may point backwards
  std::string_view data;
};

std::string canonical_name(std::string name);  // lower case, no final dot
// "192.0.2.1" as its reverse name begins, "1.2.0.192" (RFC 1035 section 3.5), an IPv6 address by
// its 32 digits (RFC 3596 section 2.5); empty: it is no address.
std::string reverse_labels(const std::string& address);
// And the whole name, with in-addr.arpa or ip6.arpa.
std::string reverse_name(const std::string& address);
// The answer section.
Result<std::vector<DnsRecord>> read_dns_records(std::string_view message);
// The name that begins there, followed where it points to.
Result<std::string> read_dns_name(std::string_view message, std::size_t at);
// Two bytes and one; the caller has looked at the length.
int read_number16(std::string_view bytes, std::size_t at);
inline int read_number8(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

}  // namespace posthorn::net
