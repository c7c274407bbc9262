// Rewriter: the server's SRS (route/srs.h), with its secrets as the file srs.secret_file has them
// now. Lives in the lookup role, the only one that reads it. A file with a fault leaves the secrets
// of before in use; at the start it is an error. No secret is ever logged.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/config.h"
#include "base/log.h"
#include "net/scope.h"
#include "net/timer.h"
#include "route/srs.h"

namespace posthorn::route {

// A secret a line; what begins with # is a comment. The error is config: "file:line: reason".
Result<std::vector<std::string>> read_srs_secrets(const Path& file);

class Rewriter {
 public:
  Rewriter(net::Scope& scope, const config::Config& config, const Clock& clock = Clock::system());

  Result<> start();                   // nothing without srs.domain
  std::vector<std::string> reload();  // faults, "file:line: reason"
  void stop();

  bool is_excluded(std::string_view domain) const;  // srs.exclude_domains
  std::optional<std::string> forward(std::string_view sender) const {
    return srs_.forward(sender, clock_.now());
  }
  bool is_ours(std::string_view address) const { return srs_.is_ours(address); }
  std::expected<std::string, Srs::Fault> reverse(std::string_view address) const {
    return srs_.reverse(address, clock_.now());
  }

 private:
  static net::Awaitable<void> watch(Rewriter* self);
  std::string stamp() const;

  net::Scope& scope_;
  const config::Config& config_;
  const Clock& clock_;
  net::Event stopped_;
  Srs srs_;
  std::string stamp_, told_;
  Backoff retry_;
  log::Logger log_;
};

}  // namespace posthorn::route
