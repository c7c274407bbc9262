// UserScripts: the users' own active scripts as programs. A program is compiled when its user's
// next mail comes, kept as long as the script is the same (one look at its stamp a delivery), and
// shared by all deliveries; of all of them no more than kBytesMax of memory is kept, those that
// were used last. A script that does not compile keeps its last good program, and its owner is told
// once a day.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "lda/scripts.h"
#include "lda/site_reader.h"
#include "net/blocking_pool.h"

namespace posthorn::lda {

// A user's scripts, as they are stored. Blocks.
class ScriptStorage {
 public:
  struct Active {
    std::string name;
    std::string text;   // empty where the known stamp is still the one of it
    std::string stamp;  // another one as soon as another script is active or it was changed
  };
  virtual ~ScriptStorage() = default;
  // nullopt: none is active.
  virtual Result<std::optional<Active>> find_active(const std::string& account,
                                                    const std::string& known_stamp) = 0;
  // For `include :personal`; nullopt: there is none of this name.
  virtual Result<std::optional<std::string>> find_text(const std::string& account,
                                                       const std::string& name) = 0;
};

class UserScripts {
 public:
  struct Parts {
    net::BlockingPool& pool;
    const config::Config& config;
    ScriptStorage& storage;
    const Clock& clock = Clock::system();
  };
  static constexpr std::size_t kBytesMax = 100U << 20U;
  explicit UserScripts(Parts parts, std::size_t bytes_max = kBytesMax)
      : parts_(parts), bytes_max_(bytes_max) {}

  struct Found {
    std::optional<Script> script;  // nullopt: none is active, or it never was good
    std::string faults;            // to be told to the owner today: a line each
  };
  // An Error: it could not be read, try again later.
  net::Task<Found> find(std::string account, GlobalsPtr globals);

  std::size_t bytes() const { return bytes_; }
  std::size_t size() const { return known_.size(); }

 private:
  struct Known {
    std::string stamp;                            // of the script; empty: it was never read
    std::string globals;                          // their stamp, where it includes some
    std::map<std::string, std::string> personal;  // what it includes, by name: the text
    std::optional<Script> script;
    std::string faults;
    std::optional<WallTime> told;  // when its owner was, of faults
    std::size_t bytes = 0;
    std::list<std::string>::iterator place;  // in order_
  };
  static Known unreadable(Known known);
  Result<Known> read(const std::string& account, const Globals& globals, const Known& known) const;
  void keep(const std::string& account, Known known);
  void drop_beyond_bound();

  Parts parts_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::map<std::string, Known, std::less<>> known_;
  std::list<std::string> order_;  // of known_, the one that was used last in front
  log::Logger log_;
};

}  // namespace posthorn::lda
