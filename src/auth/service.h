// AuthService: the one place where passwords are checked (in the lookup role), for every protocol.
// Hashing runs in the pool; failures slow down and at last ban the address they come from; a good
// login gives a one-time token for the store.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auth/authenticator.h"
#include "auth/user_file.h"
#include "base/backoff.h"
#include "base/config.h"
#include "base/log.h"
#include "maps/table.h"
#include "net/blocking_pool.h"
#include "net/line_channel.h"
#include "net/scope.h"
#include "net/timer.h"

namespace posthorn::auth {

// Failures by address (IPv4, or IPv6 /64) and by account and network (IPv4 /24, IPv6 /48): 0, 0, 0,
// then 1, 2, 4 … 15 seconds; after failures_max a ban. An account that once logged in from an
// address is never banned there, so nobody can lock it out. Bounded: the longest unused go.
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
  bool is_banned(const Who& who);
  // nullopt: all that are left before the ban are being tried; one of them has to end first.
  std::optional<Try> begin(const Who& who);
  std::chrono::milliseconds fail(const Who& who);  // how long to wait before the answer
  void succeed(const Who& who);
  std::size_t size() const { return failures_.order.size() + known_.order.size(); }

 private:
  struct Entry {
    std::string key;
    std::size_t failures = 0;
    SteadyTime last{};
    std::string account;  // of an address: whose failures they are, if all are of one account
  };
  struct Lru {
    std::list<Entry> order;  // the last used first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> index;
    Entry* find(const std::string& key);
    Entry& use(const std::string& key);
    void erase(const std::string& key);
  };
  Entry* find_current(const std::string& key);
  const config::Auth& config_;
  const Clock& clock_;
  Lru failures_, known_;
  std::unordered_map<std::string, std::size_t> in_flight_;  // by the keys of failures_
};

// "127.0.0.0/8", "::1/128"; an IPv4-mapped IPv6 address is the IPv4 address.
class Networks {
 public:
  static Result<Networks> parse(const std::vector<std::string>& texts);
  bool contains(const std::string& address) const;
  // What is allowed and yet most likely a mistake, as "0.0.0.0/0": for the log.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Network {
    std::string bytes;
    unsigned bits;
  };
  std::vector<Network> networks_;
  std::vector<std::string> warnings_;
};

// What is asked anew for each login, because it does not stand in a file that was read.
struct Sources {
  // A login, then its {SCHEME}hash; asked instead of the file paths.users. It lives longer.
  const maps::Table* users = nullptr;
  // Is the domain ours? Without it the domain names decide.
  std::function<net::Task<bool>(std::string)> has_domain = {};
};

class AuthService final : public Authenticator, public Redeemer {
 public:
  // domain_names gives the local domains of now, for logins that name none.
  AuthService(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
              Networks exempt, std::function<std::vector<std::string>()> domain_names,
              const Clock& clock = Clock::system(), Sources sources = {});

  net::Task<> start();
  net::Awaitable<std::vector<std::string>> reload(bool force);  // faults, "file:line: reason"
  // Of the files as they are now; with one the users of before are in use.
  const std::vector<std::string>& faults() const { return told_; }
  void stop();

  net::Task<Verdict> authenticate(Attempt attempt) override;
  net::Task<std::optional<std::string>> redeem(std::string token, std::string service,
                                               std::string session) override;

 private:
  net::Task<Verdict> judge(Attempt attempt);
  net::Task<std::optional<Throttle::Try>> begin_try(Throttle::Who who);
  struct Token {
    std::string account, service, session;
    SteadyTime expires;
  };
  static net::Awaitable<void> watch(AuthService* self);
  std::optional<std::string> account_of(const std::string& user) const;
  std::string stamp() const;
  std::vector<std::string> load(bool is_again);
  struct Users {
    UserFile file;
    std::vector<const std::string*> hashes;  // of file, for accounts that do not exist
  };
  using UsersPtr = std::shared_ptr<const Users>;
  static UsersPtr read_users(const Path& path, const Users* before,
                             std::vector<std::string>& faults, bool& unread);
  const UsersPtr& users_for(const std::string& service) const;
  const std::string* hash_of(const Users& users, const std::string& account) const;
  net::Task<std::optional<std::string>> find_hash(UsersPtr users, std::string account) const;
  const std::string* stand_in_for(const Users& users, const std::string& account) const;
  net::Task<bool> is_any_user(std::string account) const;
  net::Task<bool> check(const std::string& service, const std::string& account,
                        std::string password);
  std::string cache_key(const std::string& account, const std::string& password,
                        std::string_view hash) const;
  std::string make_token(const std::string& account, const Attempt& attempt);

  net::Scope& scope_;
  net::BlockingPool& pool_;
  const config::Config& config_;
  Networks exempt_;
  std::function<std::vector<std::string>()> domain_names_;
  const Clock& clock_;
  Sources sources_;
  net::Event stopped_;
  std::string stand_in_;  // with sources_.users: the hash of nobody
  Backoff retry_;
  std::vector<std::string> told_;  // the faults of now
  UsersPtr users_;
  UsersPtr smtp_users_;  // nullptr: users_
  std::string stamp_;
  Throttle throttle_;
  net::Event try_ended_;
  std::size_t waiting_ = 0;  // for a try of theirs to end
  std::string secret_;       // keys the cache; new in every process
  std::unordered_map<std::string, SteadyTime> cache_;
  std::unordered_map<std::string, Token> tokens_;
  std::size_t hashing_ = 0;
  log::Logger log_;
};

// Edge and store ask over the line protocol.
class RemoteAuthenticator final : public Authenticator {
 public:
  explicit RemoteAuthenticator(net::LineChannel& channel) : channel_(channel) {}
  net::Task<Verdict> authenticate(Attempt attempt) override;

 private:
  net::LineChannel& channel_;
};

class RemoteRedeemer final : public Redeemer {
 public:
  explicit RemoteRedeemer(net::LineChannel& channel) : channel_(channel) {}
  net::Task<std::optional<std::string>> redeem(std::string token, std::string service,
                                               std::string session) override;

 private:
  net::LineChannel& channel_;
};

// The lookup role's side; nullopt: not one of its verbs.
net::Awaitable<std::optional<net::Message>> answer_authenticate(Authenticator& authenticator,
                                                                const net::Message& request);
net::Awaitable<std::optional<net::Message>> answer_redeem(Redeemer& redeemer,
                                                          const net::Message& request);

}  // namespace posthorn::auth
