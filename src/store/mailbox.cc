#include "store/mailbox.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/assert.h"
#include "store/account.h"
#include "store/account_work.h"
#include "store/email_id.h"
#include "store/engine.h"
#include "store/mailbox_name.h"
#include "store/view.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kJournalMax = 65'536;
constexpr std::size_t kReadTogether = 32;  // messages that are opened and read in one go

std::unexpected<Error> gone() {
  return fail(ErrorKind::permanent, "the mailbox is gone");
}

}  // namespace

Mailbox::Mailbox(Account& account, std::string name, std::int64_t id)
    : account_(account), name_(std::move(name)), id_(id), changed_(account.executor()) {}

Mailbox::~Mailbox() {
  ASSERT(views_.empty());
}

const Entry* Mailbox::find(Uid uid) const {
  return const_cast<Mailbox*>(this)->find_entry(uid);
}

Entry* Mailbox::find_entry(Uid uid) {
  const auto at = std::ranges::lower_bound(entries_, uid, {}, &Entry::uid);
  return at != entries_.end() && at->uid == uid ? &*at : nullptr;
}

bool Mailbox::has_room_for_keyword() const {
  if (keywords_->size() < kKeywordsMax) return true;
  KeywordBits used;
  for (const Entry& entry : entries_) entry.keywords.add_to(used);
  return !used.all();
}

void Mailbox::note(ModSeq modseq, Uid uid, Change change) {
  if (views_.empty()) return;
  journal_.push_back({modseq, uid, change});
  if (journal_.size() < kJournalMax) return;
  // A session that has not looked for long takes the lines over, merged.
  for (View* view : views_) view->read_journal();
  trim_journal();
}

void Mailbox::trim_journal() {
  std::uint64_t needed = journal_end();
  for (const View* view : views_) needed = std::min(needed, view->position_);
  journal_.erase(journal_.begin(),
                 journal_.begin() + static_cast<std::ptrdiff_t>(needed - journal_begin_));
  journal_begin_ = needed;
}

void Mailbox::set_gone() {
  is_gone_ = true;
  tell_views();
}

void Mailbox::apply(MailboxChanges&& changes) {
  if (changes.is_gone) return set_gone();
  if (changes.renamed) name_ = *std::move(changes.renamed);
  if (changes.keywords) {
    keywords_ = std::move(changes.keywords);
    ++keywords_version_;
  }
  for (const Entry& entry : changes.changed) {
    Entry* mine = find_entry(entry.uid);
    if (mine == nullptr) continue;
    *mine = entry;
    note(entry.modseq, entry.uid, Change::flags);
  }
  for (const Entry& entry : changes.resized) {
    Entry* mine = find_entry(entry.uid);
    if (mine == nullptr) continue;
    mine->size = entry.size;
    mine->wire_size = entry.wire_size;
  }
  if (!changes.expunged.empty()) {
    std::ranges::sort(changes.expunged);
    std::size_t next = 0;
    std::erase_if(entries_, [&](const Entry& entry) {
      while (next < changes.expunged.size() && changes.expunged[next].first < entry.uid) ++next;
      if (next == changes.expunged.size() || changes.expunged[next].first != entry.uid)
        return false;
      note(changes.expunged[next].second, entry.uid, Change::expunged);
      return true;
    });
  }
  for (const Entry& entry : changes.added) {
    if (entries_.empty() || entries_.back().uid < entry.uid) {
      entries_.push_back(entry);
    } else if (find_entry(entry.uid) == nullptr) {
      entries_.insert(std::ranges::upper_bound(entries_, entry.uid, {}, &Entry::uid), entry);
    }
  }
  uidnext_ = std::max(uidnext_, changes.uidnext);
  highest_modseq_ = std::max(highest_modseq_, changes.modseq);
  tell_views();
}

void Mailbox::tell_views() {
  changed_.set();
  for (const View* view : views_)
    if (view->on_change_ && view->has_changes()) view->on_change_();
}

net::Task<> Mailbox::refresh(RefreshMode mode) {
  if (is_gone_) co_return Result<>{};
  co_return co_await account_.locked<void>([this, mode](Changes& changes) {
    return account_.engine_->refresh(id_, mode, first_recent_, changes);
  });
}

net::Task<FlagResult> Mailbox::store_flags(FlagRequest request) {
  if (is_gone_) co_return gone();
  co_return co_await account_.locked<FlagResult>([this, &request](Changes& changes) {
    return account_.engine_->store_flags(id_, request, changes);
  });
}

net::Task<std::vector<Uid>> Mailbox::expunge(std::optional<std::vector<Uid>> uids) {
  if (is_gone_) co_return gone();
  co_return co_await account_.locked<std::vector<Uid>>(
      [this, &uids](Changes& changes) { return account_.engine_->expunge(id_, uids, changes); });
}

net::Task<CopyResult> Mailbox::copy(std::vector<Uid> uids, std::string target) {
  return transfer(std::move(uids), std::move(target), Transfer::copy);
}

net::Task<CopyResult> Mailbox::move(std::vector<Uid> uids, std::string target) {
  return transfer(std::move(uids), std::move(target), Transfer::move);
}

net::Task<CopyResult> Mailbox::transfer(std::vector<Uid> uids, std::string target, Transfer how) {
  if (is_gone_) co_return gone();
  const auto name = check_mailbox_name(target);
  if (!name) co_return CopyResult{.result = NameResult::bad_name, .uidvalidity = 0, .uids = {}};
  const quota::Quota quota =
      how == Transfer::move ? quota::Quota() : co_await account_.find_quota();
  const AccountPtr account = account_.shared_from_this();
  const Lock::Guard guard = co_await account->lock_.acquire();
  if (quota.any()) {
    quota::Usage more;
    for (const Uid uid : uids)
      if (const Entry* entry = find(uid))
        more = {.bytes = more.bytes + entry->size, .messages = more.messages + 1};
    CO_TRY(const bool has_room, co_await account->fits(quota, *name, more, "imap"));
    if (!has_room)
      co_return CopyResult{.result = NameResult::over_quota, .uidvalidity = 0, .uids = {}};
  }
  co_return co_await account->in_pool<CopyResult>([&, this](Changes& changes) {
    return account_.engine_->transfer(id_, uids, *name, how, changes);
  });
}

net::Task<std::optional<OpenMessage>> Mailbox::open_message(Uid uid) {
  if (is_gone_) co_return gone();
  co_return co_await account_.locked<std::optional<OpenMessage>>(
      [this, uid](Changes& changes) { return account_.engine_->open_message(id_, uid, changes); });
}

net::Task<std::vector<std::optional<OpenMessage>>> Mailbox::open_messages(std::vector<Uid> uids) {
  using Opened = std::vector<std::optional<OpenMessage>>;
  if (is_gone_) co_return gone();
  co_return co_await account_.locked<Opened>([this, &uids](Changes& changes) -> Result<Opened> {
    return account_.engine_->open_messages(id_, uids, changes);
  });
}

net::Task<> Mailbox::load_sizes(std::vector<Uid> uids) {
  if (is_gone_) co_return gone();
  std::erase_if(uids, [this](Uid uid) {
    const Entry* entry = find(uid);
    return entry == nullptr || entry->wire_size != 0 || entry->size == 0;
  });
  if (uids.empty()) co_return Result<>{};
  co_return co_await account_.locked<void>(
      [this, &uids](Changes& changes) { return account_.engine_->load_sizes(id_, uids, changes); });
}

net::Task<std::vector<MessageRecord>> Mailbox::load_records(std::vector<Uid> uids) {
  if (is_gone_) co_return gone();
  co_return co_await account_.locked<std::vector<MessageRecord>>(
      [this, &uids](Changes&) { return account_.engine_->load_records(id_, uids); });
}

net::Task<> Mailbox::keep_records(std::vector<MessageRecord> records) {
  if (is_gone_) co_return gone();
  co_return co_await account_.locked<void>(
      [this, &records](Changes&) { return account_.engine_->keep_records(id_, records); });
}

net::Task<std::vector<EmailId>> Mailbox::load_email_ids(std::vector<Uid> uids) {
  using Digests = std::vector<MessageRecord>;
  if (is_gone_) co_return gone();
  CO_TRY(Digests digests, co_await account_.locked<Digests>([this, &uids](Changes&) {
    return account_.engine_->load_digests(id_, uids);
  }));
  std::erase_if(uids, [&](Uid uid) {
    return std::ranges::binary_search(digests, uid, {}, &MessageRecord::uid);
  });
  for (std::size_t at = 0; at < uids.size(); at += kReadTogether) {
    const auto some = std::span(uids).subspan(at, std::min(kReadTogether, uids.size() - at));
    CO_TRY(const auto opened, co_await open_messages({some.begin(), some.end()}));
    Digests made;
    CO_TRY_OK(co_await account_.pool().run([&]() -> Result<> {
      for (const auto& one : opened) {
        auto digest = one && one->file.is_open() ? digest_of(*one) : std::string();
        if (digest && !digest->empty()) made.push_back({one->uid, *std::move(digest)});
      }
      return {};
    }));
    // Without room for them (a full disk) the messages are read once more.
    if (!is_gone_)
      (void)co_await account_.locked<void>(
          [this, &made](Changes&) { return account_.engine_->keep_digests(id_, made); });
    std::ranges::move(made, std::back_inserter(digests));
  }
  std::ranges::sort(digests, {}, &MessageRecord::uid);
  std::vector<EmailId> ids;
  ids.reserve(digests.size());
  for (const MessageRecord& one : digests) ids.push_back({one.uid, email_id_from(one.bytes)});
  co_return ids;
}

net::Task<Mailbox::Vanished> Mailbox::vanished_since(ModSeq modseq) {
  if (is_gone_) co_return gone();
  co_return co_await account_.locked<Vanished>(
      [this, modseq](Changes&) { return account_.engine_->vanished_since(id_, modseq); });
}

}  // namespace posthorn::store
