// Renewals: the certificates of one server, each in one of a few states, and what is done for the
// one whose time has come. All that it knows lies in paths.acme, written before and after whatever
// could be cut off: who is killed in an attempt begins the next one no sooner (schedule.h), with
// the same account and the same pair. A failure changes nothing of the pair that is there.
//
// One attempt at a time. The order in one:
//   1 state.json says that an attempt was begun (as a failed one, until it is over)
//   2 the account: its key is on disk before the authority sees it
//   3 the order (client.h), for a key of before or a new one
//   4 the pair is put in place (folder.h), then state.json says so
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/client.h"
#include "acme/folder.h"
#include "acme/pair.h"
#include "acme/schedule.h"
#include "acme/state.h"
#include "acme/wanted.h"
#include "base/log.h"
#include "config/choices.h"
#include "net/blocking_pool.h"

namespace posthorn::acme {

// The TLSA records at the ports of the names; nullopt: the DNS could not say.
using FindTlsa =
    std::function<net::Awaitable<std::optional<std::vector<Tlsa>>>(std::vector<std::string> names)>;

class Renewals {
 public:
  struct Settings {
    Client::Settings client;
    config::KeyType key = config::KeyType::ecdsa_p256;
    config::KeepKey keep_key = config::KeepKey::published;
    FindTlsa find_tlsa;
  };
  // Everything named here outlives it.
  struct Parts {
    Folder& folder;
    net::BlockingPool& pool;
    Wire& wire;
    Prover& prover;
  };
  Renewals(Parts parts, Settings settings);

  // What the folder holds. A state that cannot be read is begun anew: the pairs are there.
  net::Task<> load();
  // What is wanted from now on; an entry that is not is dropped, and its pair retired at its end.
  net::Awaitable<void> want(std::vector<Wanted> wanted);
  const std::vector<Wanted>& wanted() const { return wanted_; }

  struct Shown {
    Entry entry;
    Due due;
    bool is_busy = false;
    bool is_hastened = false;
  };
  std::vector<Shown> all() const;
  // What is to be done now; nullopt: nothing.
  std::optional<std::string> find_next(WallTime now) const;
  // To be done now, whatever its time. false: it is not wanted here.
  bool hasten(const std::string& name);

  enum class Result { issued, renewed, failed };
  net::Awaitable<Result> attempt(std::string name);
  Client::Task<> revoke(std::string name, Reason reason);
  // Asks the authority when it would have each renewed, where it is time to ask.
  net::Awaitable<void> ask_windows();

 private:
  struct Held {
    Entry entry;
    std::optional<PairInfo> pair;
    bool is_hastened = false;
  };
  struct Account {
    AccountKey key;
    std::string url;
  };
  struct Won {
    std::string text;
    PairInfo info;
  };

  Held* find(const std::string& name);
  std::optional<Life> life_of(const Held& held) const;
  net::Awaitable<std::optional<PairInfo>> read_pair_of(std::string name);
  net::Awaitable<void> save();
  net::Awaitable<void> retire_ended();
  Client::Task<std::shared_ptr<const Account>> enter();
  Client::Task<std::shared_ptr<const Account>> find_account(std::string file);
  net::Awaitable<void> leave(std::string_view type);
  Client::Task<Won> win(std::string name);
  Client::Task<std::string> choose_key(std::string name);
  Client::Task<std::string> order(const Wish& wish, const std::string& request);
  void fail_entry(Entry& entry, const Failure& failure);

  Parts parts_;
  const Settings settings_;
  Client client_;
  std::vector<Wanted> wanted_;
  std::map<std::string, Held> held_;  // by name
  std::shared_ptr<const Account> account_;
  std::string busy_;
  log::Logger log_;
};

}  // namespace posthorn::acme
