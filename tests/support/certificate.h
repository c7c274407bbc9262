// A self-signed certificate in a temporary folder.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "net/tls.h"

namespace posthorn::test {

class Certificate {
 public:
  explicit Certificate(const std::vector<std::string>& names = {"mx.example.org"}) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "posthorn-cert-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    write(names);
  }
  ~Certificate() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  // A new pair under the same file names.
  void write(const std::vector<std::string>& names) {
    const auto pair = net::make_self_signed(names, {"127.0.0.1"});
    std::ofstream(cert().native()) << pair.value().certificate_pem;
    std::ofstream(key().native()) << pair.value().key_pem;
  }
  Path cert() const { return folder_ / "cert.pem"; }
  Path key() const { return folder_ / "key.pem"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace posthorn::test
