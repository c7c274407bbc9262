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

// RFC 6698 section 2.1, RFC 2782, RFC 8659 section 4.1.
struct TlsaRecord {
  int usage = 0, selector = 0, matching = 0;
  std::string data;  // bytes
};
struct SrvRecord {
  int priority = 0, weight = 0, port = 0;
  std::string target;  // lower case, no final dot; empty = ".": the service is not there
};
struct CaaRecord {
  int flags = 0;
  std::string tag;  // lower case
  std::string value;
};

// Does the DNS server say that it has validated the answer (the AD bit, asked for as RFC 6840
// section 5.7 has it)? c-ares validates nothing itself, so this is worth as much as the server and
// the way to it: one on this machine, or nothing.
enum class Validated { no, yes };

class Resolver {
 public:
  virtual ~Resolver() = default;
  // In the order of preference, equal ones shuffled; empty: the name has no MX record (or does not
  // exist: exists tells).
  struct MxAnswer {
    std::vector<MxRecord> records;
    bool name_exists = true;
    Validated validated = Validated::no;
  };
  virtual Task<MxAnswer> mx(std::string name, SteadyTime deadline) = 0;
  // Literal IPv4 and IPv6 addresses; empty: there is none.
  virtual Task<std::vector<std::string>> addresses(std::string host, SteadyTime deadline) = 0;
  virtual Task<std::vector<std::string>> txt(std::string name, SteadyTime deadline) = 0;
  // PTR names of an address; empty: there is none.
  virtual Task<std::vector<std::string>> names(std::string address, SteadyTime deadline) = 0;
  // Empty: the name has none of the type, or does not exist. Aliases are followed.
  template <class Record>
  struct Records {
    std::vector<Record> records;
    bool name_exists = true;
    Validated validated = Validated::no;
  };
  virtual Task<Records<TlsaRecord>> tlsa(std::string name, SteadyTime deadline) = 0;
  virtual Task<Records<SrvRecord>> srv(std::string name, SteadyTime deadline) = 0;
  virtual Task<Records<CaaRecord>> caa(std::string name, SteadyTime deadline) = 0;
  // What the name itself is an alias of (CNAME), no step further; empty: it is none.
  virtual Task<Records<std::string>> alias(std::string name, SteadyTime deadline) = 0;

  struct Options {
    std::string servers;  // "127.0.0.1:5353,…"; empty = /etc/resolv.conf
    // How long the first try of each server waits; each further one waits twice as long.
    std::chrono::milliseconds try_timeout = 3s;
    int tries = 3;
  };
  static Result<std::unique_ptr<Resolver>> make(Executor executor, const Options& options);
};

}  // namespace posthorn::net
