// Throttle: the brake on guessing passwords, and the list of who is banned for it. Keeps counts in
// memory only: after a restart all begin anew.
#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/config.h"

namespace posthorn::auth {

struct Ban {
  std::string who;                 // "192.0.2.1", "2001:db8::/64"; of one account: "192.0.2.0/24"
  std::string account;             // empty: whichever
  std::chrono::milliseconds left;  // of its time
  std::size_t failures = 0;        // 0: by hand
};

// Failures by address (IPv4, or IPv6 /64) and by account and network (IPv4 /24, IPv6 /48): 0, 0, 0,
// then 1, 2, 4 … 15 seconds; after failures_max a ban. Where an account once logged in, only its
// own failures at that very address count against it there, up to known_failures_max: nobody
// elsewhere can lock it out, and nobody beside it guesses for nothing. These run off at the rate at
// which any address may fail (failures_max a ban), and a login does not wash them away: one with a
// mail program that asks every minute would do it for a guesser behind the same address. What an
// operator bans by hand is banned for every account. Bounded: the longest unused go.
class Throttle {
 public:
  struct Who {
    std::string address, account;
  };
  // A try whose password is being checked. While it lives it counts as a failure, or a burst of
  // connections would get a guess each before the first of them is known to be wrong.
  class Try {
   public:
    Try() = default;
    Try(Throttle* throttle, std::vector<std::string> keys)
        : throttle_(throttle), keys_(std::move(keys)) {}
    Try(Try&& other) noexcept
        : throttle_(std::exchange(other.throttle_, nullptr)), keys_(std::move(other.keys_)) {}
    Try& operator=(Try&& other) noexcept {
      std::swap(throttle_, other.throttle_);
      keys_.swap(other.keys_);
      return *this;
    }
    ~Try() { end(); }
    void end();

   private:
    Throttle* throttle_ = nullptr;
    std::vector<std::string> keys_;
  };
  Throttle(const config::Auth& config, const Clock& clock) : config_(config), clock_(clock) {}
  // One count of failures that bears on a try.
  struct Standing {
    std::string who;     // "192.0.2.1"; of an account from a network: "192.0.2.0/24"
    bool is_of_account;  // the account's own failures there
    std::size_t failures, failures_max;
    std::chrono::milliseconds left;  // of the ban that follows; 0: none
  };
  std::vector<Standing> standings(const Who& who);
  bool is_banned(const Who& who);
  std::chrono::milliseconds ban_left(const Who& who);  // for failures; 0: not banned for them
  // nullopt: all that are left before the ban are being tried; one of them has to end first.
  std::optional<Try> begin(const Who& who);
  std::chrono::milliseconds fail(const Who& who);  // how long to wait before the answer
  void succeed(const Who& who);

  // By hand: nobody logs in from that address, however often they did before. False: it is no
  // address, or there are too many already.
  bool ban(const std::string& address, std::chrono::milliseconds time);
  bool is_banned_by_hand(const std::string& address) { return hand_ban_left(address) > 0ms; }
  std::chrono::milliseconds hand_ban_left(const std::string& address);  // 0: not banned so
  // Forgets the address' failures, those of accounts from its network, and what was done by hand.
  // An address may be written as bans() tells it. False: nothing of it was banned.
  bool unban(std::string_view address);
  std::vector<Ban> bans() const;  // the longest first
  std::size_t size() const { return failures_.order.size() + known_.order.size(); }

 private:
  struct Entry {
    std::string key;
    std::size_t failures = 0;
    SteadyTime last{};
    std::string account;  // of an address: whose failures they are, if all are of one account
    std::string name;     // of an account from a network: as it was typed, for people to read
  };
  struct Lru {
    std::list<Entry> order;  // the last used first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> index;
    Entry* find(const std::string& key);
    Entry& use(const std::string& key);
    void erase(const std::string& key);
  };
  struct Bound {
    std::string key;
    std::size_t failures_max;
  };
  std::vector<Bound> bounds_of(const Who& who);
  std::size_t failures_of(const Bound& bound);
  bool is_known(const Who& who);
  std::size_t known_failures_max() const {
    return std::max(config_.known_failures_max, config_.failures_max);
  }
  std::size_t bound_of(const Entry& entry) const;
  std::chrono::milliseconds run_off_time() const;
  void run_off(Entry& entry) const;
  std::chrono::milliseconds time_left(Entry entry) const;
  bool is_over(const Entry& entry) const;
  Entry* find_current(const std::string& key);
  const config::Auth& config_;
  const Clock& clock_;
  Lru failures_, known_;
  struct ByHand {
    std::string address;
    SteadyTime until;
  };
  std::unordered_map<std::string, ByHand> by_hand_;         // by the keys of addresses
  std::unordered_map<std::string, std::size_t> in_flight_;  // by the keys of failures_
};

}  // namespace posthorn::auth
