// HomeScripts: the users' scripts where scripts/ keeps them, for delivery: reads only.
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
