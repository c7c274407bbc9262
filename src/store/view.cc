#include "store/view.h"

#include <algorithm>

#include "store/account.h"

namespace posthorn::store {

View::View(std::shared_ptr<Account> account, MailboxPtr mailbox, Access access)
    : account_(std::move(account)), mailbox_(std::move(mailbox)), access_(access) {
  position_ = mailbox_->journal_end();
  mailbox_->views_.push_back(this);
  keywords_told_ = mailbox_->keywords_version_;
  add_new();
  told_modseq_ = mailbox_->highest_modseq_;
}

View::~View() {
  std::erase(mailbox_->views_, this);
  mailbox_->trim_journal();
}

std::optional<std::uint32_t> View::sequence_of(Uid uid) const {
  const auto at = std::ranges::lower_bound(uids_, uid);
  if (at == uids_.end() || *at != uid) return std::nullopt;
  return static_cast<std::uint32_t>(at - uids_.begin()) + 1;
}

std::uint32_t View::first_from(Uid uid) const {
  return static_cast<std::uint32_t>(std::ranges::lower_bound(uids_, uid) - uids_.begin()) + 1;
}

std::uint32_t View::recent() const {
  std::uint32_t count = 0;
  for (const auto& [first, last] : recent_)
    count += static_cast<std::uint32_t>(std::ranges::upper_bound(uids_, last) -
                                        std::ranges::lower_bound(uids_, first));
  return count;
}

bool View::is_recent(Uid uid) const {
  return std::ranges::any_of(
      recent_, [&](const auto& range) { return uid >= range.first && uid <= range.second; });
}

std::optional<std::uint32_t> View::first_unseen() const {
  const auto& entries = mailbox_->entries_;
  auto at = entries.begin();
  for (std::size_t i = 0; i < uids_.size(); ++i) {
    while (at != entries.end() && at->uid < uids_[i]) ++at;
    if (at == entries.end()) break;
    if (at->uid == uids_[i] && (at->flags & flag::seen) == 0)
      return static_cast<std::uint32_t>(i) + 1;
  }
  return std::nullopt;
}

bool View::has_changes() const {
  const Mailbox& mailbox = *mailbox_;
  return mailbox.is_gone_ || position_ != mailbox.journal_end() || !flags_.empty() ||
         !expunged_.empty() || mailbox.keywords_version_ != keywords_told_ ||
         (!mailbox.entries_.empty() && mailbox.entries_.back().uid > last_uid_);
}

void View::read_journal() {
  const Mailbox& mailbox = *mailbox_;
  for (std::uint64_t at = position_; at < mailbox.journal_end(); ++at) {
    const Mailbox::JournalLine& line =
        mailbox.journal_[static_cast<std::size_t>(at - mailbox.journal_begin_)];
    if (line.uid > last_uid_) continue;  // not in this view yet; it comes with what is new
    (line.change == Mailbox::Change::flags ? flags_ : expunged_).push_back(line.uid);
  }
  position_ = mailbox.journal_end();
  for (std::vector<Uid>* list : {&flags_, &expunged_}) {
    std::ranges::sort(*list);
    const auto rest = std::ranges::unique(*list);
    list->erase(rest.begin(), rest.end());
  }
}

void View::add_new() {
  Mailbox& mailbox = *mailbox_;
  const auto first = std::ranges::upper_bound(mailbox.entries_, last_uid_, {}, &Entry::uid);
  if (first == mailbox.entries_.end()) return;
  uids_.reserve(uids_.size() + static_cast<std::size_t>(mailbox.entries_.end() - first));
  for (auto at = first; at != mailbox.entries_.end(); ++at) uids_.push_back(at->uid);
  const Uid from = std::max(mailbox.first_recent_, first->uid);
  last_uid_ = mailbox.entries_.back().uid;
  if (from > last_uid_) return;
  if (!recent_.empty() && recent_.back().second + 1 >= from) {
    recent_.back().second = last_uid_;
  } else {
    recent_.emplace_back(from, last_uid_);
  }
  // RFC 3501 section 2.3.2: \Recent belongs to the first session that may change the mailbox.
  if (access_ == Access::read_write) mailbox.first_recent_ = last_uid_ + 1;
}

ViewChanges View::take_changes(ExpungeMode mode) {
  Mailbox& mailbox = *mailbox_;
  ViewChanges out;
  out.is_gone = mailbox.is_gone_;
  read_journal();
  mailbox.trim_journal();
  const std::uint32_t recent_before = recent();
  if (mode == ExpungeMode::allowed && !expunged_.empty()) {
    std::size_t next = 0;
    std::uint32_t sequence = 0;
    std::erase_if(uids_, [&](Uid uid) {
      ++sequence;
      while (next < expunged_.size() && expunged_[next] < uid) ++next;
      if (next == expunged_.size() || expunged_[next] != uid) return false;
      out.expunged.push_back(sequence);
      out.expunged_uids.push_back(uid);
      return true;
    });
    // From the highest down, so that no number moves before it is sent (RFC 3501 section 7.4.1).
    std::ranges::reverse(out.expunged);
    std::ranges::reverse(out.expunged_uids);
    expunged_.clear();
  }
  const std::size_t size_before = uids_.size();
  add_new();
  if (uids_.size() != size_before) out.exists = size();
  if (const std::uint32_t now = recent(); now != recent_before) out.recent = now;
  for (const Uid uid : flags_) {
    const Entry* entry = mailbox.find(uid);
    if (entry == nullptr) continue;
    const auto told = std::ranges::lower_bound(told_, uid, {}, &std::pair<Uid, ModSeq>::first);
    if (told != told_.end() && told->first == uid && told->second >= entry->modseq) continue;
    if (sequence_of(uid)) out.flags.push_back(uid);
  }
  flags_.clear();
  told_.clear();
  if (mailbox.keywords_version_ != keywords_told_) {
    out.keywords_grew = true;
    keywords_told_ = mailbox.keywords_version_;
  }
  told_modseq_ = mailbox.highest_modseq_;
  return out;
}

bool View::take_keywords_grew() {
  const std::size_t now = mailbox_->keywords_version_;
  return std::exchange(keywords_told_, now) != now;
}

void View::mark_told(const std::vector<FlagChange>& changes) {
  for (const FlagChange& change : changes)
    if (change.is_changed) told_.emplace_back(change.uid, change.modseq);
  // Of two for one message the later one counts.
  std::ranges::sort(told_, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  const auto rest = std::ranges::unique(told_, {}, &std::pair<Uid, ModSeq>::first);
  told_.erase(rest.begin(), rest.end());
}

net::Awaitable<bool> View::wait_change(SteadyTime deadline) {
  if (has_changes()) co_return true;
  co_return co_await mailbox_->changed_.wait(deadline);
}

}  // namespace posthorn::store
