// Networks as the configuration names them: who is exempt, who may relay, who may look.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace posthorn::net {

// 4 or 16 bytes, or none; an IPv4-mapped IPv6 address is the IPv4 address it means.
std::string address_bytes(const std::string& address);
// An address that a stranger must not send us to: of this host, this network, nowhere; or no
// address.
bool is_private(const std::string& address);

// "127.0.0.0/8", "::1/128"; an IPv4-mapped IPv6 address is the IPv4 address.
class Networks {
 public:
  static Result<Networks> parse(const std::vector<std::string>& texts);
  bool contains(const std::string& address) const;
  // What is allowed and yet most likely a mistake, as "0.0.0.0/0": for the log.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Network {
    std::string bytes;
    unsigned bits;
  };
  std::vector<Network> networks_;
  std::vector<std::string> warnings_;
};

}  // namespace posthorn::net
