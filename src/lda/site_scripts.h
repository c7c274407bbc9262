// SiteScripts: the administrator's Sieve scripts of paths.sieve as they are in use, in the order in
// which they run (order() says it). They are a part of the store's generation. A script with a
// fault keeps its last good form, at a start its copy in paths.state; without one it is left out,
// and the message is kept as if it said nothing.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "config/config.h"
#include "lda/site_reader.h"
#include "net/keeper.h"
#include "net/watched_files.h"

namespace posthorn::lda {

// What decides about a message to this account: those of sieve.before; domains/DOMAIN.sieve; the
// administrator's users/ADDRESS.sieve; the user's own active script; default.sieve for whoever has
// neither of these two; those of sieve.after.
Scripts order_of(const SiteSet& set, const config::Config& config, const std::string& account,
                 const std::optional<Script>& own);

class SiteScripts final : public net::FilePart {
 public:
  SiteScripts(net::Scope& scope, net::BlockingPool& pool, const config::Config& config)
      : pool_(pool), config_(config), keeper_(scope, pool, config.paths.state / "store") {}

  // The faults and warnings of all, as they lie there now; nothing is put to use. Blocks.
  static config::Findings check(const config::Config& config);

  std::string look() const override;
  net::Awaitable<net::Prepared> prepare() override;
  std::shared_ptr<const void> commit() override;
  void tell(const config::Finding& finding) const override;

  Scripts order(const std::string& account, const std::optional<Script>& own = {}) const;
  // Those of sieve.imap that are meant, in their order.
  Scripts at_event(imap::Cause cause, const std::string& from, const std::string& mailbox) const;
  GlobalsPtr globals() const { return set_->globals; }

 private:
  net::BlockingPool& pool_;
  const config::Config& config_;
  net::Keeper keeper_;
  std::shared_ptr<const SiteSet> set_ = std::make_shared<const SiteSet>();
  SiteRead next_;
  log::Logger log_;
};

}  // namespace posthorn::lda
