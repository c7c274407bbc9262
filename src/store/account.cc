#include "store/account.h"

#include <algorithm>

#include "base/events.h"
#include "store/account_pending.h"
#include "store/account_work.h"
#include "store/mailbox_name.h"

namespace posthorn::store {
namespace {

constexpr std::uint64_t kMessageMax = 0x7FFF'FFFF;

}  // namespace

Account::Account(Accounts& accounts, std::string name, Path path)
    : accounts_(accounts),
      name_(std::move(name)),
      path_(std::move(path)),
      lock_(accounts.executor()),
      names_(std::make_unique<UniqueNames>(accounts.options().hostname)) {
  const Accounts::Options& options = accounts.options();
  engine_ = std::make_unique<Engine>(Engine::Options{.path = path_,
                                                     .account = name_,
                                                     .store = options.store,
                                                     .disk = options.disk,
                                                     .clock = options.clock,
                                                     .hostname = options.hostname,
                                                     .boot_id = options.boot_id});
  last_used_ = std::chrono::steady_clock::now();
}

Account::~Account() = default;

net::BlockingPool& Account::pool() const {
  return accounts_.pool();
}
net::Executor Account::executor() const {
  return accounts_.executor();
}
const config::Store& Account::settings() const {
  return accounts_.options().store;
}
Disk& Account::disk() const {
  return *accounts_.options().disk;
}

net::Task<> Account::open() {
  const AccountPtr self = shared_from_this();
  const Lock::Guard guard = co_await lock_.acquire();
  last_used_ = std::chrono::steady_clock::now();
  if (is_open_) co_return Result<>{};
  CO_TRY_OK(co_await in_pool<void>([this](Changes&) { return engine_->open(); }));
  is_open_ = true;
  co_return Result<>{};
}

net::Awaitable<void> Account::close() {
  if (!is_open_) co_return;
  is_open_ = false;
  const auto closed = co_await in_pool<void>([this](Changes&) { return engine_->close(); });
  if (!closed)
    log::Logger().warn(event::store_failed, {{"account", name_}, {"error", closed.error().what}});
}

net::Awaitable<void> Account::rest() {
  const AccountPtr self = shared_from_this();
  const Lock::Guard guard = co_await lock_.acquire();
  if (is_resting_) co_return;
  const SteadyTime used = last_used_;
  (void)co_await in_pool<void>([this](Changes&) {
    engine_->rest();
    return Result<>{};
  });
  last_used_ = used;
  is_resting_ = true;
}

MailboxPtr Account::find_open(std::string_view name) const {
  const auto at = mailboxes_.find(name);
  MailboxPtr mailbox = at != mailboxes_.end() ? at->second.lock() : nullptr;
  return mailbox && !mailbox->is_gone_ ? mailbox : nullptr;
}

std::vector<MailboxPtr> Account::open_mailboxes() const {
  std::vector<MailboxPtr> out;
  for (const auto& [name, weak] : mailboxes_)
    if (MailboxPtr mailbox = weak.lock()) out.push_back(std::move(mailbox));
  return out;
}

void Account::apply(std::vector<MailboxChanges>&& changes) {
  if (changes.empty() || mailboxes_.empty()) return;
  const std::vector<MailboxPtr> open = open_mailboxes();
  bool is_renamed = false;
  for (MailboxChanges& change : changes) {
    const auto at = std::ranges::find(open, change.id, [](const MailboxPtr& m) { return m->id_; });
    if (at == open.end()) continue;
    is_renamed = is_renamed || change.renamed.has_value();
    (*at)->apply(std::move(change));
  }
  if (!is_renamed && open.size() == mailboxes_.size()) return;
  mailboxes_.clear();
  for (const MailboxPtr& mailbox : open)
    if (!mailbox->is_gone_) mailboxes_[mailbox->name_] = mailbox;
}

// The rescan of open mailboxes: two cheap looks each, and the folders are read only when they
// changed.
net::Awaitable<void> Account::look_for_news() {
  const AccountPtr self = shared_from_this();
  const std::vector<MailboxPtr> open = open_mailboxes();
  if (open.empty() || lock_.is_locked()) co_return;
  const Lock::Guard guard = co_await lock_.acquire();
  std::vector<std::pair<std::int64_t, Uid>> wanted;
  for (const MailboxPtr& mailbox : open)
    if (!mailbox->is_gone_) wanted.emplace_back(mailbox->id_, mailbox->first_recent_);
  const bool was_resting = is_resting_;
  const SteadyTime used = last_used_;
  const auto done = co_await in_pool<bool>([&, this](Changes& changes) -> Result<bool> {
    bool is_used = false;
    for (const auto& [id, first_recent] : wanted) {
      if (!engine_->has_news(id)) continue;
      is_used = true;
      TRY_OK(engine_->refresh(id, RefreshMode::quick, first_recent, changes));
    }
    return is_used;
  });
  if (!done)
    log::Logger().warn(event::store_failed, {{"account", name_}, {"error", done.error().what}});
  if (done && !*done) {
    is_resting_ = was_resting;
    last_used_ = used;
  }
}

net::Task<std::vector<MailboxInfo>> Account::list() {
  co_return co_await locked<std::vector<MailboxInfo>>([this](Changes&) { return engine_->list(); });
}

net::Task<NameResult> Account::create(std::string mailbox, SpecialUse use) {
  co_return co_await locked<NameResult>(
      [&, this](Changes& changes) { return engine_->create(mailbox, use, changes); });
}

net::Task<NameResult> Account::remove(std::string mailbox) {
  co_return co_await locked<NameResult>(
      [&, this](Changes& changes) { return engine_->remove(mailbox, changes); });
}

net::Task<NameResult> Account::rename(std::string from, std::string to) {
  co_return co_await locked<NameResult>(
      [&, this](Changes& changes) { return engine_->rename(from, to, changes); });
}

net::Task<NameResult> Account::set_subscribed(std::string mailbox, Subscription wanted) {
  const auto name = check_mailbox_name(mailbox);
  if (!name) co_return NameResult::bad_name;
  CO_TRY_OK(
      co_await locked<void>([&, this](Changes&) { return engine_->subscribe(*name, wanted); }));
  co_return NameResult::done;
}

net::Task<NameResult> Account::subscribe(std::string mailbox) {
  return set_subscribed(std::move(mailbox), Subscription::on);
}

net::Task<NameResult> Account::unsubscribe(std::string mailbox) {
  return set_subscribed(std::move(mailbox), Subscription::off);
}

net::Task<std::optional<std::string>> Account::find_mailbox_nocase(std::string mailbox) {
  co_return co_await locked<std::optional<std::string>>(
      [&, this](Changes&) { return engine_->find_nocase(mailbox); });
}

net::Task<> Account::ensure_defaults() {
  co_return co_await locked<void>(
      [this](Changes& changes) { return engine_->ensure_defaults(changes); });
}

net::Task<std::vector<bool>> Account::take_uidvalidity(std::vector<Origin> origins) {
  co_return co_await locked<std::vector<bool>>([&, this](Changes& changes) {
    std::vector<std::pair<std::string, std::uint32_t>> wanted;
    for (const Origin& origin : origins) wanted.emplace_back(origin.mailbox, origin.uidvalidity);
    return engine_->take_uidvalidity(wanted, changes);
  });
}

net::Task<> Account::raise_uidnext(std::vector<Origin> origins) {
  co_return co_await locked<void>([&, this](Changes& changes) -> Result<> {
    for (const Origin& origin : origins)
      TRY_OK(engine_->raise_uidnext(origin.mailbox, origin.uidnext, changes));
    return {};
  });
}

net::Task<std::optional<MailboxStatus>> Account::status(std::string mailbox) {
  const auto name = check_mailbox_name(mailbox);
  if (!name) co_return std::nullopt;
  const MailboxPtr open = find_open(*name);
  const Uid first_recent = open ? open->first_recent_ : 0;
  co_return co_await locked<std::optional<MailboxStatus>>(
      [&, this](Changes& changes) { return engine_->status(*name, first_recent, changes); });
}

net::Task<ViewPtr> Account::open_view(std::string mailbox, Access access) {
  const auto name = check_mailbox_name(mailbox);
  if (!name) co_return ViewPtr();
  const AccountPtr self = shared_from_this();
  const Lock::Guard guard = co_await lock_.acquire();
  MailboxPtr open = find_open(*name);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto what = open == nullptr ? Engine::Load::entries : Engine::Load::row;
    CO_TRY(auto opened, co_await in_pool<std::optional<OpenedMailbox>>([&, this](Changes& changes) {
             return engine_->open_mailbox(*name, what, changes);
           }));
    if (!opened) co_return ViewPtr();
    if (open && (open->is_gone_ || open->id_ != opened->id)) {
      open->set_gone();  // another one of the same name took its place
      open = nullptr;
      continue;
    }
    if (!open) {
      open = MailboxPtr(new Mailbox(*this, *name, opened->id));
      open->mailbox_id_ = std::move(opened->mailbox_id);
      open->uidvalidity_ = opened->uidvalidity;
      open->uidnext_ = opened->uidnext;
      open->first_recent_ = opened->first_recent;
      open->highest_modseq_ = opened->modseq;
      open->keywords_ = std::move(opened->keywords);
      open->entries_ = std::move(opened->entries);
      mailboxes_[*name] = open;
    }
    break;
  }
  if (!open) co_return fail(ErrorKind::temporary, "mailbox " + *name + " changes all the time");
  const Uid recent_before = open->first_recent_;
  ViewPtr view(new View(self, open, access));
  if (open->first_recent_ != recent_before) {
    const auto claimed = co_await in_pool<void>([&, this](Changes& changes) {
      return engine_->claim(open->id_, open->first_recent_, changes);
    });
    if (!claimed)
      log::Logger().warn(event::store_failed,
                         {{"account", name_}, {"error", claimed.error().what}});
  }
  co_return view;
}

net::Task<std::vector<std::optional<OpenMessage>>> Account::open_messages(std::string mailbox,
                                                                          std::vector<Uid> uids) {
  using Opened = std::vector<std::optional<OpenMessage>>;
  const auto name = check_mailbox_name(mailbox);
  if (!name) co_return Opened(uids.size());
  co_return co_await locked<Opened>([&, this](Changes& changes) -> Result<Opened> {
    TRY(const auto found, engine_->open_mailbox(*name, Engine::Load::row, changes));
    if (!found) return Opened(uids.size());
    return engine_->open_messages(found->id, uids, changes);
  });
}

net::Task<DeliveryPtr> Account::begin_delivery() {
  std::string base = names_->make(accounts_.options().clock->now());
  const Path staged = path_ / "tmp" / base;
  co_return DeliveryPtr(new Delivery(shared_from_this(), staged, std::move(base)));
}

// All that waits is done by whoever has the lock: one sync a folder for many deliveries.
net::Awaitable<void> Account::commit_pending() {
  std::vector<Pending*> batch = std::exchange(pending_, {});
  co_await refuse_over_quota(batch);
  if (batch.empty()) co_return;
  std::vector<CommitGroup> groups;
  groups.reserve(batch.size());
  for (Pending* pending : batch) groups.push_back(std::move(pending->group));
  const auto done = co_await in_pool<void>([&, this](Changes& changes) {
    engine_->commit(groups, changes);
    return Result<>{};
  });
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i]->group = std::move(groups[i]);
    if (!done) batch[i]->group.outcome = std::unexpected(done.error());
    batch[i]->is_done = true;
  }
}

net::Task<std::vector<Placed>> Account::commit(std::vector<Append> appends, quota::Check check) {
  std::vector<Placed> out;
  if (appends.empty()) co_return out;
  const AccountPtr self = shared_from_this();
  const auto end_all = [&appends] {
    for (const Append& append : appends) append.delivery->abort();
  };
  for (const Append& append : appends) {
    if (append.delivery->staged_.empty())
      co_return fail(ErrorKind::permanent, "the delivery has ended");
    if (!append.delivery->is_settled_) append.delivery->converter_.finish(append.delivery->buffer_);
    if (append.delivery->size() > kMessageMax) {
      end_all();
      co_return fail(ErrorKind::permanent, "the message is too large");
    }
  }
  // The messages themselves, beside whatever else the account does.
  const auto synced = co_await pool().run([&]() -> Result<> {
    Delivery* last = nullptr;
    for (const Append& append : appends) {
      if (append.delivery == last) continue;
      last = append.delivery;
      if (last->is_settled_) continue;
      TRY_OK(last->write_out());
      if (append.target.internal_date)
        TRY_OK(disk().set_modified(last->staged_, *append.target.internal_date));
      TRY_OK(disk().sync(last->file_));
    }
    return {};
  });
  if (!synced) {
    end_all();
    co_return std::unexpected(synced.error());
  }
  Pending pending;
  pending.quota = co_await find_quota();
  pending.check = check;
  for (std::size_t i = 0; i < appends.size(); ++i) {
    const Delivery& delivery = *appends[i].delivery;
    pending.group.items.push_back(
        {.staged = delivery.staged_,
         .base = delivery.base_,
         .size = delivery.size(),
         .wire_size = delivery.wire_size(),
         .target = &appends[i].target,
         .is_last = i + 1 == appends.size() || appends[i + 1].delivery != &delivery,
         .placed = {}});
  }
  pending_.push_back(&pending);
  {
    const Lock::Guard guard = co_await lock_.acquire();
    if (!pending.is_done) co_await commit_pending();
  }
  if (pending.group.outcome && pending.group.items.front().placed.result == NameResult::done)
    for (const Append& append : appends) append.delivery->staged_.clear();  // it has left tmp/
  end_all();
  if (!pending.group.outcome) co_return std::unexpected(pending.group.outcome.error());
  for (CommitItem& item : pending.group.items) out.push_back(std::move(item.placed));
  co_return out;
}

}  // namespace posthorn::store
