// Index: posthorn.index, the account's one SQLite database. A cache of what the maildirs hold, plus
// what only it can know: mod-sequences, vanished UIDs, records. It may be deleted at any time.
//
// WAL with synchronous=NORMAL: no transaction waits for the disk, and after a power cut the index
// is whole but may lack its newest transactions. What makes that safe:
//
//   lost row           how it comes back
//   a new message      its file is synced in new/ or cur/; the folder's time differs from the one
//                      in the index, the next look finds the file; its UID is that of the uidlist
//                      line, else the one in its name. One or the other was synced before it was
//                      told.
//   uidnext            the uidlist's N, synced before a UID of its block was used; taken when the
//                      machine was started since (meta.boot_id) or the index is new. After a mere
//                      kill the index is exact.
//   a flag             is in the file's name
//   a keyword          is a letter there, or a line of posthorn-keywords, synced before it was told
//   an expunge         the file is gone
//   a new mailbox      its folder and its uidlist were synced
//   uidvalidity floor  dovecot-uidvalidity, synced before the value is used
//   mod-sequences      the uidlist's M, synced before one up to it was told. Behind a power cut the
//                      mailbox begins there, and all its messages count as changed then: what was
//                      told of them may be lost with their rows. A rebuilt index begins above all
//                      of before, at M or the milliseconds since 1970.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "sqlite/database.h"
#include "store/types.h"

namespace posthorn::store {

using sqlite::Database, sqlite::Statement;

// Where a message's file lies and how it is named.
enum class Place : std::uint8_t { in_new = 0, in_cur = 1 };
struct FileLocation {
  Place place = Place::in_new;
  std::string base;
  std::string info;
  bool has_info = false;
  Path path_in(const Path& maildir) const;
};

// What tells whether a file or folder changed: time of change in nanoseconds, inode, size.
struct Stamp {
  std::int64_t time = 0;
  std::int64_t inode = 0;
  std::int64_t size = 0;
  bool operator==(const Stamp&) const = default;
};

struct MailboxRow {
  std::int64_t id = 0;
  std::string name;
  std::uint32_t uidvalidity = 0;
  Uid uidnext = 1;
  Uid first_recent = 1;
  ModSeq modseq = 1;
  ModSeq vanished_floor = 0;  // what vanished up to here is not known any more
  std::string guid;
  Stamp in_new;  // the folders as they were when last read; 0: never
  Stamp in_cur;
  Stamp uidlist;
  Stamp keywords_file;
  KeywordNamesPtr keywords = KeywordNames::none();
};

struct MessageRow {
  Entry entry;
  FileLocation file;
  bool is_exact = false;  // sizes were counted here, not taken from the name
};

class Index {
 public:
  // Opens or makes it; a database that is not one of ours, or broken, is removed and made anew
  // (is_new()).
  Result<> open(Disk& disk, const Path& file);
  // On a full disk it lives in memory: what the file held is copied, and the file put aside as
  // <file>.stale. It comes back when there is room again. If the process ends meanwhile, open()
  // takes the file from aside (was_stale()), which then lacks the newest rows as after a power cut.
  Result<> to_memory(Disk& disk, const Path& file);
  Result<> to_disk(Disk& disk, const Path& file);
  Result<> open_in_memory();
  bool is_in_memory() const { return is_in_memory_; }
  bool was_stale() const { return was_stale_; }
  bool is_in_transaction() const { return db_.is_in_transaction(); }
  void close() { db_.close(); }
  bool is_open() const { return db_.is_open(); }
  bool is_corrupt() const { return db_.is_corrupt(); }
  bool is_new() const { return is_new_; }
  Result<Database::Transaction> begin() { return db_.begin(); }

  Result<std::string> meta(std::string_view key);  // empty: not there
  Result<> set_meta(std::string_view key, std::string_view value);

  Result<std::vector<MailboxRow>> mailboxes();
  Result<> add_mailbox(MailboxRow& row);          // sets id
  Result<> save_mailbox(const MailboxRow& row);   // without the keywords' names
  Result<> save_keywords(const MailboxRow& row);  // what differs from what is there
  Result<> remove_mailbox(std::int64_t id);
  Result<> clear_messages(std::int64_t id);  // all rows of a mailbox: its UIDVALIDITY changed

  // Equal lists of keywords are one list in all that the index gives.
  Keywords intern(Keywords keywords) { return pool_.intern(std::move(keywords)); }

  Result<std::vector<Entry>> entries(std::int64_t mailbox);
  // Sorted by base name: for the comparison with the folders.
  Result<std::vector<MessageRow>> rows_by_name(std::int64_t mailbox);
  // Sorted by uid: for writing the uidlist.
  Result<std::vector<std::pair<Uid, std::string>>> names(std::int64_t mailbox);
  Result<std::vector<Uid>> uids_in_new(std::int64_t mailbox, Uid before);
  Result<std::vector<Uid>> uids_without_size(std::int64_t mailbox, std::size_t max);
  Result<std::optional<MessageRow>> message(std::int64_t mailbox, Uid uid);
  Result<> add_message(std::int64_t mailbox, const MessageRow& row);
  Result<> save_message(std::int64_t mailbox, const MessageRow& row);
  Result<> remove_message(std::int64_t mailbox, Uid uid);
  // All of a mailbox's messages changed at this mod-sequence.
  Result<> touch_messages(std::int64_t mailbox, ModSeq modseq);
  Result<MailboxStatus> count(const MailboxRow& row);
  // How much each mailbox that is known holds: kept by triggers, in the transaction of each change.
  Result<std::vector<MailboxUsage>> usage();
  std::int64_t changes() const { return db_.changes(); }  // grows with every row that is written

  Result<> add_vanished(std::int64_t mailbox, ModSeq modseq, Uid uid);
  Result<std::vector<Uid>> vanished_since(std::int64_t mailbox, ModSeq modseq);
  // Forgets the oldest so that at most max stay; gives the new floor (0: nothing was forgotten).
  Result<ModSeq> trim_vanished(std::int64_t mailbox, std::size_t max);

  // Those that are there of uids, which are ascending.
  Result<std::vector<MessageRecord>> records(std::int64_t mailbox, const std::vector<Uid>& uids);
  Result<> keep_record(std::int64_t mailbox, const MessageRecord& record);
  Result<> copy_record(std::int64_t from, Uid from_uid, std::int64_t to, Uid to_uid);

  // Digests of contents (email_id.h), likewise. They go with their message.
  Result<std::vector<MessageRecord>> digests(std::int64_t mailbox, const std::vector<Uid>& uids);
  Result<> keep_digest(std::int64_t mailbox, const MessageRecord& digest);
  Result<> copy_digest(std::int64_t from, Uid from_uid, std::int64_t to, Uid to_uid);

 private:
  Result<> prepare_schema();
  Result<> prepare_additions();
  Result<> upgrade_keywords();
  Result<> upgrade_records();
  Result<KeywordNamesPtr> keyword_names(std::int64_t mailbox);
  MessageRow message_from(const Statement& s);
  Keywords keywords_in(const Statement& s, int column);

  Database db_;
  KeywordPool pool_;
  bool is_new_ = false;
  bool is_in_memory_ = false;
  bool was_stale_ = false;
};

}  // namespace posthorn::store
