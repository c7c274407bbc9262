// Rewriter: the server's SRS (route/srs.h), with its secrets as the file srs.secret_file has them
// now, a part of the lookup role's generation: no other role reads it. A file with a fault leaves
// the secrets of before in use; without any no sender is rewritten, and mail to a rewritten one
// waits. No secret is ever logged, and none is copied.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "net/blocking_pool.h"
#include "net/watched_files.h"
#include "route/srs.h"

namespace posthorn::route {

// A secret a line; what begins with # is a comment. The error is config: "file:line: reason".
Result<std::vector<std::string>> read_srs_secrets(const Path& file);

class Rewriter final : public net::FilePart {
 public:
  Rewriter(net::BlockingPool& pool, const config::Config& config,
           const Clock& clock = Clock::system());

  // Nothing without srs.domain.
  std::string look() const override;
  net::Awaitable<net::Prepared> prepare() override;
  std::shared_ptr<const void> commit() override;
  void tell(const config::Finding& finding) const override;

  bool is_excluded(std::string_view domain) const;  // srs.exclude_domains
  std::optional<std::string> forward(std::string_view sender) const {
    return srs_.forward(sender, clock_.now());
  }
  // srs.domain is set, and no secret could be read yet.
  bool is_waiting() const { return !config_.srs.domain.empty() && !srs_.is_on(); }
  bool is_ours(std::string_view address) const {
    return is_waiting() ? Srs(config_.srs.domain, {"-"}).is_ours(address) : srs_.is_ours(address);
  }
  std::expected<std::string, Srs::Fault> reverse(std::string_view address) const {
    return srs_.reverse(address, clock_.now());
  }

 private:
  net::BlockingPool& pool_;
  const config::Config& config_;
  const Clock& clock_;
  Srs srs_;
  std::optional<std::vector<std::string>> next_;
  log::Logger log_;
};

}  // namespace posthorn::route
