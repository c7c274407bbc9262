// An account's quota: what it holds is known from the index and looked at under the account's lock,
// in the same turn in which a message is put into a mailbox. So however many come at once, each is
// measured by what those before it left.
#include <algorithm>

#include "base/events.h"
#include "base/metrics.h"
#include "store/account_pending.h"
#include "store/account_work.h"
#include "store/mailbox_name.h"

namespace posthorn::store {
namespace {

quota::Usage plus(quota::Usage a, const quota::Usage& b) {
  a.bytes += b.bytes;
  a.messages += b.messages;
  return a;
}

void tell_refused(const std::string& account, std::string_view by, const quota::Usage& what) {
  metrics::count(metric::quota_refusals, by);
  log::Logger().info(
      event::quota_refused,
      {{"account", account}, {"by", by}, {"size", what.bytes}, {"messages", what.messages}});
}

}  // namespace

net::Awaitable<quota::Quota> Account::find_quota() {
  const Accounts::Options& options = accounts_.options();
  quota::Quota quota(options.store);
  if (options.store.quotas && options.quota != nullptr) {
    const AccountPtr self = shared_from_this();
    auto found = co_await options.quota->quota_of(name_);
    // Nobody's mail is refused by a limit that may not be theirs.
    if (!found)
      log::Logger().warn(event::quota_unknown, {{"account", name_}, {"error", found.error().what}});
    quota = found ? *std::move(found) : quota::Quota();
  }
  quota_ = quota;
  co_return quota;
}

void Account::note_usage(std::optional<std::vector<MailboxUsage>> usage, Extent extent) {
  if (extent == Extent::some) usage_.reset();
  if (!usage) return;
  usage_ = std::move(usage);
  note_level();
}

quota::Usage Account::counted(const quota::Quota& quota) const {
  quota::Usage sum;
  if (!usage_) return sum;
  for (const MailboxUsage& mailbox : *usage_)
    if (quota.is_counted(mailbox.name)) sum = plus(sum, mailbox.used);
  return sum;
}

// Tells when an account crosses a bound, once.
void Account::note_level() {
  if (!quota_ || !quota_->any() || !usage_) return;
  const quota::Usage used = counted(*quota_);
  const Level before = std::exchange(level_, quota_->is_full(used)          ? Level::full
                                             : quota_->is_nearly_full(used) ? Level::nearly_full
                                                                            : Level::room);
  if (before == level_) return;
  const quota::Limits& limits = quota_->limits();
  const auto tell = [&](const log::Event& event) {
    log::Logger().warn(event, {{"account", name_},
                               {"bytes", used.bytes},
                               {"bytes_max", limits.bytes},
                               {"messages", used.messages},
                               {"messages_max", limits.messages}});
  };
  if (level_ == Level::full)
    tell(event::quota_full);
  else if (before == Level::full)
    tell(event::quota_freed);
  else if (level_ == Level::nearly_full)
    tell(event::quota_warned);
}

net::Task<> Account::count_usage(Freshness freshness) {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (usage_ && freshness == Freshness::recent && now - usage_looked_ < settings().rescan)
    co_return Result<>{};
  CO_TRY_OK(
      co_await in_pool<void>([this](Changes& changes) { return engine_->count_usage(changes); }));
  usage_looked_ = now;
  if (!usage_) co_return fail(ErrorKind::temporary, name_ + ": what it holds is not known");
  note_level();
  co_return Result<>{};
}

net::Task<Account::QuotaState> Account::quota_state() {
  QuotaState state;
  state.quota = co_await find_quota();
  if (!state.quota.any()) co_return state;
  const AccountPtr self = shared_from_this();
  const Lock::Guard guard = co_await lock_.acquire();
  CO_TRY_OK(co_await count_usage(Freshness::now));
  state.used = counted(state.quota);
  co_return state;
}

net::Task<quota::Usage> Account::used_of(quota::Quota quota) {
  quota_ = quota;
  const SteadyTime now = std::chrono::steady_clock::now();
  // A long operation holds the lock, but whoever asks for a sender who waits is answered at once.
  const bool is_recent = usage_ && now - usage_looked_ < settings().rescan;
  if (is_recent && !quota.is_full(counted(quota))) co_return counted(quota);
  const AccountPtr self = shared_from_this();
  const Lock::Guard guard = co_await lock_.acquire();
  CO_TRY_OK(co_await count_usage(Freshness::now));
  co_return counted(quota);
}

// With the lock held. Before anything is refused, it is looked anew whether somebody made room.
net::Task<bool> Account::fits(quota::Quota quota, std::string mailbox, quota::Usage more,
                              std::string_view by) {
  for (const Freshness freshness : {Freshness::recent, Freshness::now}) {
    CO_TRY_OK(co_await count_usage(freshness));
    if (quota.has_room(mailbox, counted(quota), more, quota::Check::strict)) co_return true;
  }
  tell_refused(name_, by, more);
  co_return false;
}

net::Task<bool> Account::has_room_for(std::string mailbox, quota::Usage more, std::string_view by) {
  const quota::Quota quota = co_await find_quota();
  if (!quota.any()) co_return true;
  const AccountPtr self = shared_from_this();
  const Lock::Guard guard = co_await lock_.acquire();
  const auto name = check_mailbox_name(mailbox);
  co_return co_await fits(quota, name ? *name : mailbox, more, by);
}

// Takes out of the batch what does not fit and is done therefore.
net::Awaitable<void> Account::refuse_over_quota(std::vector<Pending*>& batch) {
  if (std::ranges::none_of(batch, [](const Pending* one) { return one->quota.any(); })) co_return;
  // What earlier ones of this batch will add.
  quota::Usage added;
  const auto has_room = [&](const Pending& one, quota::Usage& more) {
    for (const CommitItem& item : one.group.items) {
      const auto name = check_mailbox_name(item.target->mailbox);
      const std::string& mailbox = name ? *name : item.target->mailbox;
      const quota::Usage used = plus(plus(counted(one.quota), added), more);
      const quota::Usage size{.bytes = item.size, .messages = 1};
      if (!one.quota.has_room(mailbox, used, size, one.check)) return false;
      if (one.quota.is_counted(mailbox)) more = plus(more, size);
    }
    return true;
  };
  Freshness freshness = Freshness::recent;
  auto known = co_await count_usage(freshness);
  for (std::size_t i = 0; known && i < batch.size();) {
    Pending& one = *batch[i];
    quota::Usage more;
    if (has_room(one, more)) {
      added = plus(added, more);
      ++i;
      continue;
    }
    if (freshness == Freshness::recent) {
      freshness = Freshness::now;
      known = co_await count_usage(freshness);
      continue;
    }
    tell_refused(name_, one.check == quota::Check::last_mail ? "lmtp" : "imap",
                 {.bytes = one.group.items.front().size, .messages = one.group.items.size()});
    for (CommitItem& item : one.group.items) item.placed.result = NameResult::over_quota;
    one.is_done = true;
    batch.erase(batch.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (!known)
    log::Logger().warn(event::quota_unknown, {{"account", name_}, {"error", known.error().what}});
}

}  // namespace posthorn::store
