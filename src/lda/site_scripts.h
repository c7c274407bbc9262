// SiteScripts: the administrator's Sieve scripts of paths.sieve as they are in use: those of
// sieve.before, users/<address>.sieve or default.sieve, those of sieve.after. They are a part of
// the store's generation. A script with a fault keeps its last good form, at a start its copy in
// paths.state; without one it is left out, and the message is kept as if it said nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "net/keeper.h"
#include "net/watched_files.h"
#include "sieve/libsieve/sequence.h"

namespace posthorn::lda {

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

  // What becomes of a message to this account; a fault is logged.
  std::vector<sieve::libsieve::Action> decide(const sieve::libsieve::Input& input,
                                              const std::string& account) const;

 private:
  // One file, as it was read.
  struct One {
    std::shared_ptr<const sieve::libsieve::Script> script;  // nullptr: it is left out
    std::string stamp;                                      // of what was read; empty: with a fault
    std::shared_ptr<const std::string> good;                // read now, to be kept
    config::Findings doubts = {};                           // told as long as the file is this one
  };
  struct Set {
    std::map<Path, One> scripts;
    std::map<std::string, Path> users;  // of scripts, by the file's name in lower case
  };
  using SetPtr = std::shared_ptr<const Set>;
  struct Next {
    std::shared_ptr<Set> set;
    net::Prepared outcome;
    std::vector<std::string> news;  // files that were read and are good
    std::vector<Path> stale;        // those whose copies serve
  };
  using Seen = std::map<Path, std::string>;  // with what tells that a file was changed
  static Seen look_at(const config::Config& config);
  static Next read(const config::Config& config, const Set* before, const LastGood& kept);
  static void read_one(const Path& path, const std::string& stamp, const Set* before,
                       const LastGood& kept, Next& next);
  Path place(const std::string& name) const { return config_.paths.sieve / name; }
  const sieve::libsieve::Script* find(const Path& path) const;
  Path place_of_user(const std::string& account) const;

  net::BlockingPool& pool_;
  const config::Config& config_;
  net::Keeper keeper_;
  SetPtr set_ = std::make_shared<const Set>();
  Next next_;
  log::Logger log_;
};

}  // namespace posthorn::lda
