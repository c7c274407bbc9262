// Resolver: DNS by c-ares, on the role's own thread. "There is no such name" is an answer, a
// failing server an Error (temporary): mail is kept, never bounced, when the answer is not known.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/task.h"

namespace posthorn::net {

struct MxRecord {
  int preference = 0;
  std::string host;  // lower case, no final dot; empty = "." (null MX, RFC 7505)
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  // In the order of preference, equal ones shuffled; empty: the name has no MX record (or does not
  // exist: exists tells).
  struct MxAnswer {
    std::vector<MxRecord> records;
    bool name_exists = true;
  };
  virtual Task<MxAnswer> mx(std::string name, SteadyTime deadline) = 0;
  // Literal IPv4 and IPv6 addresses; empty: there is none.
  virtual Task<std::vector<std::string>> addresses(std::string host, SteadyTime deadline) = 0;
  virtual Task<std::vector<std::string>> txt(std::string name, SteadyTime deadline) = 0;
  // PTR names of an address; empty: there is none.
  virtual Task<std::vector<std::string>> names(std::string address, SteadyTime deadline) = 0;

  struct Options {
    std::string servers;  // "127.0.0.1:5353,…"; empty = /etc/resolv.conf
    // How long the first try of each server waits; each further one waits twice as long.
    std::chrono::milliseconds try_timeout = 3s;
    int tries = 3;
  };
  static Result<std::unique_ptr<Resolver>> make(Executor executor, const Options& options);
};

}  // namespace posthorn::net
