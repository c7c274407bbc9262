// SiteScripts: the administrator's Sieve scripts of paths.sieve as they are in use: those of
// sieve.before, users/<address>.sieve or default.sieve, those of sieve.after. A file that was
// changed is checked and swapped by itself; with a fault the one of before stays. Lives on the
// store's thread: libsieve does one thing at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/log.h"
#include "sieve/sequence.h"

namespace posthorn::app {

class SiteScripts {
 public:
  enum class Told { by_log, by_return };
  explicit SiteScripts(const config::Config& config, Told told = Told::by_log)
      : config_(config), told_(told) {}

  // The files as they lie there now, each with what tells that it was changed. Blocks; from any
  // thread.
  using Seen = std::map<Path, std::string>;
  Seen look() const;
  // Reads what is new in seen; the faults of all, "file:line: reason".
  std::vector<std::string> load(const Seen& seen);
  const Seen& loaded() const { return loaded_; }

  // What becomes of a message to this account; a fault is logged.
  std::vector<sieve::Action> decide(const sieve::Input& input, const std::string& account) const;

 private:
  using ScriptPtr = std::shared_ptr<const sieve::Script>;
  Path place(const std::string& name) const { return config_.paths.sieve / name; }
  std::vector<Path> listed() const;
  const sieve::Script* find(const Path& path) const;
  Path place_of_user(const std::string& account) const;

  const config::Config& config_;
  const Told told_;
  Seen loaded_;
  std::map<Path, ScriptPtr> scripts_;
  std::map<std::string, Path> users_;  // of scripts_, by the file's name in lower case
  std::map<Path, std::string> faults_;
  log::Logger log_;
};

}  // namespace posthorn::app
