// Mailbox: an open mailbox, held once per worker and shared by its sessions: a compact snapshot of
// its messages and a journal of what changed, in the order of mod-sequences. Lives on the role's
// thread; every Task below does its disk work in the pool, one operation an account at a time, and
// changes the snapshot back here. After any co_await the snapshot may have changed: hold no span,
// pointer or index into it across one. A View (store/view.h) gives a session its sequence numbers.
// RFC 3501, 4315 (UIDPLUS), 6851 (MOVE), 7162.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "net/task.h"
#include "net/timer.h"
#include "store/types.h"

namespace posthorn::store {

class Account;
class Accounts;
class Mailbox;
class View;
struct MailboxChanges;  // store/engine.h
using MailboxPtr = std::shared_ptr<Mailbox>;

enum class FlagMode { add, remove, replace };

struct FlagRequest {
  std::vector<Uid> uids;  // ascending; those that are not there (any more) are passed over
  FlagMode mode = FlagMode::add;
  Flags flags = 0;                        // of flag::all_imap
  std::vector<std::string> keywords;      // "$Forwarded", "NonJunk" …
  std::optional<ModSeq> unchanged_since;  // RFC 7162 section 3.1.3
};

struct FlagChange {
  Uid uid = 0;
  Flags flags = 0;
  Keywords keywords;
  ModSeq modseq = 0;
  bool is_changed = false;  // false: it was so already, modseq is the old one
  Flags flags_before = 0;
  Keywords keywords_before;
};

struct FlagResult {
  NameResult result = NameResult::done;  // or keyword_limit, then nothing was changed
  std::vector<FlagChange> messages;      // ascending by uid: each addressed message that is there
  std::vector<Uid> modified;             // failed unchanged_since: the MODIFIED response code
};

struct CopyResult {
  NameResult result = NameResult::done;   // not_found: the target; then nothing was copied
  std::uint32_t uidvalidity = 0;          // of the target
  std::vector<std::pair<Uid, Uid>> uids;  // source -> target, ascending by source; COPYUID
};

// A message's file, open. The descriptor stays good when the message is expunged or renamed
// meanwhile.
struct OpenMessage {
  Uid uid = 0;
  File file;  // physical bytes (LF lines); read with read_at() or CrlfReader in the pool; not open:
              // it is there and cannot be read (open_messages only)
  std::uint64_t size = 0;       // physical, from fstat
  std::uint64_t wire_size = 0;  // exact: what CrlfReader gives for the whole
  WallTime internal_date{};
};

enum class RefreshMode {
  quick,  // reads the folders only if their times changed
  full,   // reads them in any case
};

class Mailbox {
 public:
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  const std::string& name() const { return name_; }
  Account& account() const { return account_; }
  // RFC 8474; empty: it could not be made to last yet.
  const std::string& mailbox_id() const { return mailbox_id_; }
  std::uint32_t uidvalidity() const { return uidvalidity_; }
  Uid uidnext() const { return uidnext_; }
  ModSeq highest_modseq() const { return highest_modseq_; }
  // Removed, or its UIDVALIDITY changed: no operation works any more; the session tells its client
  // (BYE).
  bool is_gone() const { return is_gone_; }

  // Sorted by uid. Valid until the next co_await.
  std::span<const Entry> entries() const { return entries_; }
  const Entry* find(Uid uid) const;  // nullptr: not there (any more); valid until the next co_await
  // What the keywords are called; the table never changes, a later one takes its place.
  const KeywordNamesPtr& keywords() const { return keywords_; }
  std::vector<std::string_view> keyword_names(const Keywords& keywords) const {
    return keywords_->names_of(keywords);
  }
  bool has_room_for_keyword() const;  // PERMANENTFLAGS' \*

  // Looks for what other programs did. NOOP, CHECK and an idle session's tick use quick.
  net::Task<> refresh(RefreshMode mode = RefreshMode::quick);

  net::Task<FlagResult> store_flags(FlagRequest request);
  // Removes those of uids (nullopt: all) that have \Deleted; gives the UIDs that went. Works on a
  // full disk.
  net::Task<std::vector<Uid>> expunge(std::optional<std::vector<Uid>> uids = std::nullopt);
  // Both keep flags, keywords and internal date. move takes each message in one rename: it is in
  // the one mailbox or in the other, never in none or, but for a crash of the disk, in both.
  net::Task<CopyResult> copy(std::vector<Uid> uids, std::string target);
  net::Task<CopyResult> move(std::vector<Uid> uids, std::string target);

  // nullopt: it is gone (another program removed it: the snapshot and every View learn of it as
  // expunged).
  net::Task<std::optional<OpenMessage>> open_message(Uid uid);
  // Several at once, in the order of uids; each holds a descriptor. One that cannot be read spoils
  // nothing for the others: it comes with a file that is not open, and stands in the log once.
  net::Task<std::vector<std::optional<OpenMessage>>> open_messages(std::vector<Uid> uids);
  // Fills wire_size of those among uids whose Entry has 0 (files another program dropped, adopted
  // maildirs).
  net::Task<> load_sizes(std::vector<Uid> uids);

  // The records that are there of uids (ascending), ascending by uid. One may be of another version
  // or damaged: search::read_record() says so, and it is made again from the message.
  net::Task<std::vector<MessageRecord>> load_records(std::vector<Uid> uids);
  // In place of those that are there; what is kept goes with the message, by COPY and MOVE too.
  net::Task<> keep_records(std::vector<MessageRecord> records);

  // The ids of the contents of those of uids (ascending) that are there and can be read. A message
  // is read once for it in its life.
  net::Task<std::vector<EmailId>> load_email_ids(std::vector<Uid> uids);

  // UIDs that were expunged after modseq, ascending (QRESYNC, RFC 7162 section 3.2.5.2). complete =
  // false: the memory does not reach back that far; the caller must treat every UID it does not
  // find as vanished.
  struct Vanished {
    std::vector<Uid> uids;
    bool complete = true;
  };
  net::Task<Vanished> vanished_since(ModSeq modseq);

 private:
  friend class Account;
  friend class Accounts;
  friend class View;
  enum class Change : std::uint8_t { flags, expunged };
  struct JournalLine {
    ModSeq modseq;
    Uid uid;
    Change change;
  };

  Mailbox(Account& account, std::string name, std::int64_t id);
  void apply(MailboxChanges&& changes);  // on the role's thread, under the account's lock
  void note(ModSeq modseq, Uid uid, Change change);
  void trim_journal();
  void set_gone();
  void tell_views();
  net::Task<CopyResult> transfer(std::vector<Uid> uids, std::string target, Transfer how);
  Entry* find_entry(Uid uid);
  std::uint64_t journal_end() const { return journal_begin_ + journal_.size(); }

  Account& account_;
  std::string name_;
  std::string mailbox_id_;
  std::int64_t id_;  // in the index
  std::uint32_t uidvalidity_ = 0;
  Uid uidnext_ = 1;
  Uid first_recent_ = 1;  // from this UID on no session has been told \Recent
  ModSeq highest_modseq_ = 1;
  bool is_gone_ = false;
  std::vector<Entry> entries_;
  KeywordNamesPtr keywords_ = KeywordNames::none();
  std::size_t keywords_version_ = 0;  // grows with every change of the names
  std::deque<JournalLine> journal_;
  std::uint64_t journal_begin_ = 0;  // the absolute number of journal_.front()
  std::vector<View*> views_;
  net::Event changed_;
};

}  // namespace posthorn::store
