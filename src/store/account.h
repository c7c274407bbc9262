// Account: a user's mailboxes, opened on demand and kept while used; Accounts: the worker's
// registry of them. Both live on the role's thread. Blocking work runs in the pool, one operation
// an account at a time; it touches only the account's Engine (store/engine.h), which no other
// operation uses meanwhile. An account belongs to one worker (base/placement.h): two processes must
// never open one account.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "store/annotations.h"
#include "store/delivery.h"
#include "store/lock.h"
#include "store/mailbox.h"
#include "store/quota.h"
#include "store/types.h"
#include "store/view.h"

namespace posthorn::store {

class Engine;
class UniqueNames;
class Accounts;
class Account;
class AnnotationWatch;
using AccountPtr = std::shared_ptr<Account>;

class Account : public std::enable_shared_from_this<Account> {
 public:
  ~Account();
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  const std::string& name() const { return name_; }  // "alice@example.org"
  const Path& path() const { return path_; }         // its maildir

  // INBOX first, then by name; levels that exist only as part of a longer name and subscriptions to
  // what does not exist are in it with is_selectable = false.
  net::Task<std::vector<MailboxInfo>> list();
  // Levels above it are made as well. The use is as durable as the mailbox (RFC 6154 section 5.3).
  net::Task<NameResult> create(std::string mailbox, SpecialUse use = SpecialUse::none);
  net::Task<NameResult> remove(
      std::string mailbox);  // names below it stay (RFC 3501 section 6.3.4)
  net::Task<NameResult> rename(std::string from, std::string to);
  net::Task<NameResult> subscribe(std::string mailbox);  // a name that does not exist is no error
  net::Task<NameResult> unsubscribe(std::string mailbox);
  // nullopt: there is no such mailbox. Reads no folder whose time is unchanged.
  net::Task<std::optional<MailboxStatus>> status(std::string mailbox);
  // The exact name of a mailbox, compared without case (a +tag's folder).
  net::Task<std::optional<std::string>> find_mailbox_nocase(std::string mailbox);

  // account_annotations.cc: ids, special uses and annotations, as IMAP (RFC 8474, 6154, 5464) and
  // Sieve (RFC 9042, 8579, 5490) ask for them.
  //
  // Is there this mailbox? Whatever is may be filed into: an account has no mailboxes of others.
  net::Task<bool> has_mailbox(std::string mailbox);
  // The id of a mailbox; nullopt: there is no such mailbox; empty: its id could not be made to last
  // yet.
  net::Task<std::optional<std::string>> mailbox_id(std::string mailbox);
  // The mailbox of an id, the mailbox of a special use; nullopt: none is it.
  net::Task<std::optional<std::string>> find_by_id(std::string id);
  net::Task<std::optional<std::string>> find_by_use(SpecialUse use);
  // What a mailbox is used for; nullopt: there is no such mailbox.
  net::Task<std::optional<SpecialUse>> special_use(std::string mailbox);
  // Those of a mailbox, or with an empty name of the account; nullopt: there is no such mailbox.
  net::Task<std::optional<Annotations>> annotations(std::string mailbox);
  // The value of one, its name in any case; nullopt: it has none, or there is no such mailbox.
  net::Task<std::optional<std::string>> annotation(std::string mailbox, std::string entry);
  // All of the changes are on disk, or none. Their names are checked (check_annotation_name).
  // by: who need not be told of it.
  net::Task<AnnotationResult> annotate(std::string mailbox, std::vector<AnnotationChange> changes,
                                       const AnnotationWatch* by = nullptr);

  // Creates and subscribes Drafts, Sent, Trash, Junk, Archive and also_create, once an account:
  // what the user removes later stays removed. Called at each login, cheap.
  net::Task<> ensure_defaults();

  // SELECT or EXAMINE. nullptr: there is no such mailbox. read_write takes \Recent.
  net::Task<ViewPtr> open_view(std::string mailbox, Access access);

  // Messages by the name of their mailbox, which need not be open: as Mailbox::open_messages()
  // gives them; none where there is no such mailbox.
  net::Task<std::vector<std::optional<OpenMessage>>> open_messages(std::string mailbox,
                                                                   std::vector<Uid> uids);

  // LMTP and APPEND.
  net::Task<DeliveryPtr> begin_delivery();
  // Several staged messages, each into its target, all or none (MULTIAPPEND, RFC 3502).
  struct Append {
    Delivery* delivery = nullptr;
    Target target;
  };
  // One that goes over the account's limit is refused with NameResult::over_quota.
  net::Task<std::vector<Placed>> commit(std::vector<Append> appends,
                                        quota::Check check = quota::Check::strict);
  // An import into mailboxes that never held a message: they take on the UIDVALIDITY that their
  // messages had elsewhere, so that no client fetches them anew. Gives which of them did.
  struct Origin {
    std::string mailbox;
    std::uint32_t uidvalidity = 0;
    Uid uidnext = 1;
  };
  net::Task<std::vector<bool>> take_uidvalidity(std::vector<Origin> origins);
  // The end of such an import: UIDs that were used up elsewhere are not given again.
  net::Task<> raise_uidnext(std::vector<Origin> origins);

  // account_quota.cc. What the account may hold, and what it holds as far as that counts; without a
  // limit nothing is counted.
  struct QuotaState {
    quota::Quota quota;
    quota::Usage used;
  };
  net::Task<QuotaState> quota_state();
  // The same with rules that somebody else has looked up.
  net::Task<quota::Usage> used_of(quota::Quota quota);
  // May this much more be put into the mailbox? An Error: it could not be found out.
  // by: who brings it, for the log.
  net::Task<bool> has_room_for(std::string mailbox, quota::Usage more, std::string_view by);

  net::BlockingPool& pool() const;
  const config::Store& settings() const;
  Disk& disk() const;
  net::Executor executor() const;

 private:
  friend class Accounts;
  friend class Mailbox;
  friend class View;
  friend class Delivery;
  friend class AnnotationWatch;
  struct Pending;  // a commit that waits for the lock; whoever gets it does all of them with one
                   // sync a folder

  Account(Accounts& accounts, std::string name, Path path);
  // Work(changes) in the pool with the lock held; what changed is applied before the lock goes on.
  template <class R, class Work>
  net::Task<R> locked(Work work);
  template <class R, class Work>
  net::Task<R> in_pool(Work work);  // with the lock held by the caller
  net::Task<> open();
  net::Awaitable<void> close();
  net::Awaitable<void> look_for_news();
  net::Awaitable<void> rest();
  void apply(std::vector<MailboxChanges>&& changes);
  MailboxPtr find_open(std::string_view name) const;
  std::vector<MailboxPtr> open_mailboxes() const;
  net::Awaitable<void> commit_pending();
  net::Awaitable<quota::Quota> find_quota();
  // With the lock held; what is known is no older than store.rescan, or just found out.
  enum class Freshness { recent, now };
  net::Task<> count_usage(Freshness freshness);
  quota::Usage counted(const quota::Quota& quota) const;
  void note_usage(std::optional<std::vector<MailboxUsage>> usage, Extent extent);
  void note_level();
  net::Awaitable<void> refuse_over_quota(std::vector<Pending*>& batch);
  net::Task<bool> fits(quota::Quota quota, std::string mailbox, quota::Usage more,
                       std::string_view by);
  net::Task<NameResult> set_subscribed(std::string mailbox, Subscription wanted);

  Accounts& accounts_;
  std::string name_;
  Path path_;
  std::unique_ptr<Engine> engine_;
  Lock lock_;
  bool is_open_ = false;
  bool is_resting_ = false;  // the index is closed until the next operation
  std::unique_ptr<UniqueNames> names_;
  std::map<std::string, std::weak_ptr<Mailbox>, std::less<>> mailboxes_;
  std::vector<Pending*> pending_;
  std::vector<AnnotationWatch*> annotation_watches_;
  std::optional<std::vector<MailboxUsage>> usage_;  // nullopt: not all mailboxes are counted
  SteadyTime usage_looked_{};
  std::optional<quota::Quota> quota_;  // as it was last asked for
  enum class Level { unknown, room, nearly_full, full } level_ = Level::unknown;
  SteadyTime last_used_{};
};

class Accounts {
 public:
  struct Options {
    config::Store store;
    Path mail;             // paths.mail
    std::string hostname;  // in file names
    Disk* disk = &Disk::real();
    const Clock* clock = &Clock::system();
    QuotaSource* quota = nullptr;  // nullptr: the configuration's rules are all
    std::string boot_id;           // empty: the kernel's; a crash test gives its own
    config::Duration idle = std::chrono::minutes(2);  // an account nobody uses is closed after this
    std::size_t accounts_max = 10'000;
  };
  // scope and pool live longer. start() begins to look after idle accounts and open mailboxes
  // (rescan).
  Accounts(net::Scope& scope, net::BlockingPool& pool, Options options);
  ~Accounts();
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  void start();
  // account: canonical, "alice@example.org"; its folder is made if missing. An Error is permanent
  // for a name that cannot be a path, else temporary.
  net::Task<AccountPtr> open(std::string account);
  // Wakes every waiting View, ends the background work, closes the indexes. Sessions have ended
  // before it.
  void stop();
  net::Awaitable<void> close();

  std::size_t size() const { return accounts_.size(); }
  std::size_t mailboxes_open() const;
  net::BlockingPool& pool() const { return pool_; }
  net::Executor executor() const;
  const Options& options() const { return options_; }

 private:
  friend class Account;
  net::Awaitable<void> look_after();
  net::Awaitable<void> close_idle(config::Duration idle);

  net::Scope& scope_;
  net::BlockingPool& pool_;
  Options options_;
  bool stopping_ = false;
  bool looking_after_ = false;
  std::unique_ptr<net::Event> wake_;
  std::map<std::string, AccountPtr, std::less<>> accounts_;
};

}  // namespace posthorn::store
