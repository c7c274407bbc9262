// KeyKeeper: hands certificates and keys that only root can reach (certbot's live/ and archive/ are
// 0700, its keys 0600) to the roles that serve TLS, while the supervisor is root: as copies in
// paths.run/tls that the group users.tls_group can read, made anew when the files change. It
// follows links only where everything on the way belongs to root and nobody else may write to it:
// whoever owns a folder could lead it to any file of the machine. See src/adr/0011.
#pragma once

#include <map>

#include "base/log.h"
#include "config/config.h"

namespace posthorn::process {

class KeyKeeper {
 public:
  explicit KeyKeeper(const config::Config& config) : config_(config) {}
  // Where the copies lie.
  static Path folder_of(const config::Config& config) { return config.paths.run / "tls"; }
  // Blocks for a few small files, or, when nothing has changed, a few stat calls.
  void look();

 private:
  enum class Half { certificate, key };  // of a pair
  Result<> copy(const Path& from, const std::string& text, Half half) const;
  void hand_over(const Path& file, Half half);

  const config::Config& config_;
  std::map<Path, std::string> seen_, handed_;  // stamps
  std::map<Path, std::string> told_;
  bool is_first_ = true;
  log::Logger log_;
};

}  // namespace posthorn::process
