// Accounts: which accounts of this store are open, and for how long.
#include <algorithm>

#include "base/events.h"
#include "config/account_path.h"
#include "store/account.h"
#include "store/account_work.h"
#include "store/mailbox_name.h"

namespace posthorn::store {
namespace {

constexpr auto kRestAfter = std::chrono::seconds(30);
constexpr auto kLookMin = std::chrono::milliseconds(200);

}  // namespace

Accounts::Accounts(net::Scope& scope, net::BlockingPool& pool, Options options)
    : scope_(scope),
      pool_(pool),
      options_(std::move(options)),
      wake_(std::make_unique<net::Event>(scope.executor())) {}

Accounts::~Accounts() = default;

net::Executor Accounts::executor() const {
  return scope_.executor();
}

void Accounts::start() {
  if (std::exchange(looking_after_, true)) return;
  scope_.spawn(look_after());
}

void Accounts::stop() {
  stopping_ = true;
  wake_->close();
  for (const auto& [name, account] : accounts_)
    for (const MailboxPtr& mailbox : account->open_mailboxes()) mailbox->changed_.set();
}

net::Task<AccountPtr> Accounts::open(std::string name) {
  if (stopping_) co_return fail(ErrorKind::temporary, "the store is stopping");
  auto at = accounts_.find(name);
  if (at == accounts_.end()) {
    CO_TRY(Path path, config::account_path(options_.mail, options_.store.location, name));
    if (accounts_.size() >= options_.accounts_max) co_await close_idle(config::Duration(0));
    if (accounts_.size() >= options_.accounts_max)
      co_return fail(ErrorKind::temporary, "too many accounts are open");
    at = accounts_.find(name);  // the world may have changed meanwhile
    if (at == accounts_.end())
      at = accounts_.emplace(name, AccountPtr(new Account(*this, name, std::move(path)))).first;
  }
  AccountPtr account = at->second;
  CO_TRY_OK(co_await account->open());
  co_return account;
}

// An account that nobody holds and nobody used for a while gives back its memory and its leased
// UIDs.
net::Awaitable<void> Accounts::close_idle(config::Duration idle) {
  std::vector<std::string> names;
  const SteadyTime now = std::chrono::steady_clock::now();
  for (const auto& [name, account] : accounts_)
    if (account.use_count() == 1 && now - account->last_used_ >= idle) names.push_back(name);
  for (const std::string& name : names) {
    const auto at = accounts_.find(name);
    if (at == accounts_.end() || at->second.use_count() != 1) continue;
    const AccountPtr account = at->second;
    {
      const Lock::Guard guard = co_await account->lock_.acquire();
      if (account.use_count() == 2) co_await account->close();
    }
    // Two: the registry and we. Whoever asked for it meanwhile opens it again.
    const auto still = accounts_.find(name);
    if (still != accounts_.end() && still->second == account && account.use_count() == 2 &&
        !account->is_open_)
      accounts_.erase(still);
  }
}

net::Awaitable<void> Accounts::look_after() {
  const auto interval = std::max<config::Duration>(options_.store.rescan, kLookMin);
  while (!stopping_) {
    co_await wake_->wait(std::chrono::steady_clock::now() + interval);
    if (stopping_) break;
    std::vector<AccountPtr> busy;
    for (const auto& [name, account] : accounts_)
      if (account.use_count() > 1 && account->is_open_) busy.push_back(account);
    for (const AccountPtr& account : busy) {
      if (stopping_) break;
      co_await account->look_for_news();
      const auto idle = std::chrono::steady_clock::now() - account->last_used_;
      if (idle > kRestAfter && !account->is_resting_ && !account->lock_.is_locked())
        co_await account->rest();
    }
    busy.clear();
    co_await close_idle(options_.idle);
  }
  looking_after_ = false;
}

std::size_t Accounts::mailboxes_open() const {
  std::size_t sum = 0;
  for (const auto& [name, account] : accounts_) sum += account->open_mailboxes().size();
  return sum;
}

net::Awaitable<void> Accounts::close() {
  stop();
  while (!accounts_.empty()) {
    const AccountPtr account = accounts_.begin()->second;
    {
      const Lock::Guard guard = co_await account->lock_.acquire();
      co_await account->close();
    }
    std::erase_if(accounts_, [&](const auto& pair) { return pair.second == account; });
  }
}

}  // namespace posthorn::store
