// HomeScripts: the users' scripts as Pigeonhole lays them into a home, so that a maildir that comes
// from there brings them: sieve/NAME.sieve, and .dovecot.sieve, a link to the active one. Of what
// the link says only the last name counts, and it is looked for in sieve/ alone: one that came with
// somebody's maildir leads nowhere else. A plain file .dovecot.sieve is the active script itself.
// The home is the account's maildir, or the folder home/ in it. Reads only.
#pragma once

#include "config/config.h"
#include "lda/user_scripts.h"

namespace posthorn::lda {

class HomeScripts final : public ScriptStorage {
 public:
  explicit HomeScripts(const config::Config& config) : config_(config) {}
  Result<std::optional<Active>> find_active(const std::string& account,
                                            const std::string& known_stamp) override;
  Result<std::optional<std::string>> find_text(const std::string& account,
                                               const std::string& name) override;

 private:
  const config::Config& config_;
};

}  // namespace posthorn::lda
