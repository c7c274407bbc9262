// Reads the administrator's Sieve scripts of paths.sieve: what is there, what of it is another than
// it was, each as a program of the engine that sieve.engine names. All faults are told, each with
// its line and column; what was good before serves on. Blocks: runs in the pool.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/last_good.h"
#include "config/config.h"
#include "lda/imap_rules.h"
#include "lda/scripts.h"
#include "net/keeper.h"
#include "net/watched_files.h"

namespace posthorn::lda {

inline constexpr std::string_view kScriptSuffix = ".sieve";
inline constexpr std::string_view kDefaultScript = "default.sieve";

// What `include :global "NAME"` reaches (RFC 6609): the files NAME.sieve of paths.sieve itself.
struct Globals {
  struct One {
    std::string stamp;
    std::shared_ptr<const std::string> text;
  };
  std::map<std::string, One, std::less<>> scripts;  // by name
  std::string stamp;                                // of all
  std::optional<std::string> find(const std::string& name) const;
};
using GlobalsPtr = std::shared_ptr<const Globals>;

// Files with what tells that one was changed.
struct SiteFiles {
  std::map<Path, std::string> scripts;  // that are run
  std::map<Path, std::string> globals;  // that others may include
};
SiteFiles look_at(const config::Config& config);
std::string stamp_of(const SiteFiles& files);

struct SiteSet {
  // One file, as it was read.
  struct One {
    std::optional<Script> script;                      // nullopt: it is left out
    std::string stamp;                                 // of what was read; empty: with a fault
    std::map<std::string, std::string> included = {};  // names, and their stamps
    config::Findings doubts = {};                      // told as long as the file is this one
  };
  std::map<Path, One> scripts;
  // Of scripts, by the file's name in lower case.
  std::map<std::string, Path> users, domains;
  GlobalsPtr globals = std::make_shared<const Globals>();
  std::vector<ImapRule> imap;
  const Script* find(const Path& path) const;  // nullptr: none, or it is left out
};

// As the administrator knows a script: its file beneath paths.sieve, "before/spam.sieve"; that of
// `include :global "NAME"`.
std::string name_of_script(const config::Config& config, const Path& path);
std::string name_of_global(std::string_view name);

struct SiteRead {
  std::shared_ptr<SiteSet> set = nullptr;
  net::Prepared outcome = {};
  std::vector<std::string> news = {};  // files that were read and are good
  std::vector<Path> stale = {};        // those whose copies serve
  net::Keeper::Files good = {};        // read now, to be kept
};
// before: what is in use; nullptr: nothing. kept: copies of last good files.
SiteRead read_site(const config::Config& config, const SiteSet* before, const LastGood& kept);

}  // namespace posthorn::lda
