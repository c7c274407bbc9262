// The names of this machine's accounts, by uid, for who connects to submit.sock. They may come from
// a service (sssd, LDAP, nscd) that takes its time or hangs: threads of its own wait for it and
// nothing else (where the system gives none, one of the role's), one question an account at a time,
// and what is known is remembered for a minute.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/timer.h"

namespace posthorn::process {

class LoginNames {
 public:
  using Find = std::function<Result<std::string>(std::uint32_t uid)>;  // may block
  LoginNames(net::Scope& scope, net::BlockingPool& pool, Find find,
             const Clock& clock = Clock::system());
  // "uid1234" if it has none. An Error: that cannot be asked now.
  net::Task<std::string> find(std::uint32_t uid);
  std::size_t size() const { return known_.size(); }

 private:
  struct Asked;
  static net::Awaitable<void> ask(LoginNames* self, std::uint32_t uid,
                                  std::shared_ptr<Asked> asked);

  struct Known {
    std::string name;
    SteadyTime until{};
  };
  net::Scope& scope_;
  Find find_;
  const Clock& clock_;
  const std::unique_ptr<net::BlockingPool> own_;  // nullptr: there was no thread for it
  net::BlockingPool& pool_;                       // that, or the role's
  net::Event answered_;
  std::size_t asking_ = 0;  // threads that are at it
  std::map<std::uint32_t, Known> known_;
  std::map<std::uint32_t, std::shared_ptr<Asked>> asked_;
};

}  // namespace posthorn::process
