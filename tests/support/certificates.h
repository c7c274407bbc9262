// A certificate authority of the test's own, and certificates of every sort it may be asked for:
// good, expired, for another name, signed by nobody.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "net/authority.h"
#include "net/tls.h"
#include "tests/support/temp_folder.h"

struct evp_pkey_st;
struct x509_st;

namespace posthorn::test {

class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  struct Wish {
    std::vector<std::string> names;      // dNSName
    std::vector<std::string> addresses;  // iPAddress
    std::chrono::seconds begins{-3600};  // from now
    std::chrono::seconds ends{24 * 3600};
  };
  net::KeyPair issue(const Wish& wish) const;
  // The same as two files name.pem and name.key.
  net::CertificateFiles issue(const TempFolder& folder, const std::string& name,
                              const Wish& wish) const;
  const std::string& pem() const { return pem_; }

 private:
  evp_pkey_st* key_;
  x509_st* certificate_;
  std::string pem_;
};

}  // namespace posthorn::test
