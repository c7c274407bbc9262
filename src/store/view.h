// View: one session's sequence numbers over a Mailbox, 4 bytes a message. What other sessions and
// programs change becomes visible only when the session asks (take_changes), at the points RFC 3501
// section 7.4.1 allows. It keeps its mailbox and account open. One coroutine uses it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "store/mailbox.h"

namespace posthorn::store {

enum class Access { read_write, read_only };  // SELECT, EXAMINE
enum class ExpungeMode {
  allowed,
  held_back
};  // held back: during FETCH, STORE, SEARCH (RFC 3501 section 5.5)

// What to tell the client, in this order: expunged, exists, recent, flags.
struct ViewChanges {
  std::vector<std::uint32_t>
      expunged;  // sequence numbers from the highest to the lowest: send them as they stand
  std::vector<Uid> expunged_uids;       // the same messages' UIDs, in the same order (VANISHED)
  std::optional<std::uint32_t> exists;  // the new number of messages, if messages came
  std::optional<std::uint32_t> recent;  // the new number of \Recent ones, if it changed
  std::vector<Uid>
      flags;  // messages whose flags changed, ascending; sequence numbers are the new ones
  bool keywords_grew = false;  // send FLAGS (and PERMANENTFLAGS) before the rest
  bool is_gone = false;        // the mailbox was removed: end the session
  bool empty() const {
    return expunged.empty() && !exists && !recent && flags.empty() && !keywords_grew && !is_gone;
  }
};

class View {
 public:
  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  Mailbox& mailbox() const { return *mailbox_; }
  Access access() const { return access_; }

  std::uint32_t size() const { return static_cast<std::uint32_t>(uids_.size()); }  // EXISTS
  std::uint32_t recent() const;
  bool is_recent(Uid uid) const;
  // Sequence numbers count from 1.
  Uid uid_of(std::uint32_t sequence) const { return uids_[sequence - 1]; }
  std::optional<std::uint32_t> sequence_of(Uid uid) const;
  // The first sequence number whose UID is uid or more; size() + 1 if there is none.
  std::uint32_t first_from(Uid uid) const;
  const std::vector<Uid>& uids() const { return uids_; }
  // Without \Seen, of the messages in this view; counted.
  std::optional<std::uint32_t> first_unseen() const;

  // The highest mod-sequence this view has told of (HIGHESTMODSEQ of SELECT).
  ModSeq highest_modseq() const { return told_modseq_; }

  // Is there anything to tell? Cheap.
  bool has_changes() const;
  ViewChanges take_changes(ExpungeMode mode);
  // Keywords that were not told: tell them before a message's flags. true only once for each.
  bool take_keywords_grew();
  // The session has told its client these itself (a STORE's own FETCH responses) or must not
  // (.SILENT): the next take_changes leaves them out unless they changed once more.
  void mark_told(const std::vector<FlagChange>& changes);
  // IDLE: true when there is something to take, false at the deadline. Also true when the account
  // closes.
  net::Awaitable<bool> wait_change(SteadyTime deadline);
  // While it lives, on_change is called when there may be something for take_changes(). One a view.
  class Notice {
   public:
    Notice(View& view, std::function<void()> on_change) : view_(view) {
      view_.on_change_ = std::move(on_change);
    }
    ~Notice() { view_.on_change_ = nullptr; }
    Notice(const Notice&) = delete;
    Notice& operator=(const Notice&) = delete;

   private:
    View& view_;
  };

 private:
  friend class Account;
  friend class Mailbox;
  View(std::shared_ptr<Account> account, MailboxPtr mailbox, Access access);
  void read_journal();
  void add_new();

  std::shared_ptr<Account> account_;
  MailboxPtr mailbox_;
  std::function<void()> on_change_;
  Access access_;
  std::vector<Uid> uids_;
  std::uint64_t position_ = 0;  // in the mailbox's journal
  ModSeq told_modseq_ = 1;
  Uid last_uid_ = 0;  // the highest that ever was in uids_
  std::size_t keywords_told_ = 0;
  std::vector<std::pair<Uid, Uid>> recent_;   // ranges of UIDs, [first, last]
  std::vector<Uid> expunged_;                 // known to be gone, not told yet
  std::vector<Uid> flags_;                    // changed, not told yet
  std::vector<std::pair<Uid, ModSeq>> told_;  // by mark_told, ascending by uid
};
using ViewPtr = std::unique_ptr<View>;

}  // namespace posthorn::store
