// Engine: all that the store does on disk for one account: the maildirs, the small files beside
// them, the index. Every call blocks and runs in the pool, one at a time (Account holds the lock).
// What an open Mailbox must learn is appended to Changes, also when the call itself fails later on;
// the role's thread applies it.
//
// Order of the steps, so that a crash between any two leaves one known state (see delivery.h and
// index.h):
//
//   deliver  message synced, UID leased (synced),      between: there with that UID, or not at all
//            name with the UID in new/ or cur/ synced,
//            uidlist line, index row
//   found    UID leased, uidlist line, both synced,    between: not shown yet; the line has its UID
//            index row, told
//   flags    file renamed, index row                   between: the next look reads the name
//   expunge  file removed, index row                   between: the next look sees it gone
//   move     keywords beyond z synced for the new      between: it is found in the folder it is in
//            name, file renamed, folders synced,
//            both rows
//   create   folder, tmp/, new/, cur/ made, synced     between: no mailbox yet, for cur/ comes last
//   keyword  posthorn-keywords synced (beyond z),      between: it is there at the next start
//            index row, told
//   odd name posthorn-folders synced, the name told    between: the same name, or one not told yet
//   annotate posthorn-annotations replaced, told       between: the old ones or the new ones
//   remove   folder renamed aside, synced, rows,       between: the rest is removed at the next
//            its files                                 opening
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "store/annotations.h"
#include "store/dovecot_files.h"
#include "store/file_name.h"
#include "store/index.h"
#include "store/mailbox.h"
#include "store/mailbox_name.h"
#include "store/maildir.h"
#include "store/types.h"
#include "store/uidlist.h"

namespace posthorn::store {

struct Target;

// What happened to one mailbox, for its open snapshot.
struct MailboxChanges {
  std::int64_t id = 0;
  Uid uidnext = 1;
  ModSeq modseq = 1;
  std::vector<Entry> added;    // ascending, above all that were there
  std::vector<Entry> changed;  // flags, keywords: with their new modseq
  std::vector<Entry> resized;  // only sizes: nothing to tell a client
  std::vector<std::pair<Uid, ModSeq>> expunged;
  KeywordNamesPtr keywords;            // nullptr: as they were
  std::optional<std::string> renamed;  // its new name
  bool is_gone = false;
};
using Changes = std::vector<MailboxChanges>;

struct OpenedMailbox {
  std::int64_t id = 0;
  std::string name;
  std::string mailbox_id;
  std::uint32_t uidvalidity = 0;
  Uid uidnext = 1;
  Uid first_recent = 1;
  ModSeq modseq = 1;
  KeywordNamesPtr keywords = KeywordNames::none();
  std::vector<Entry> entries;  // only when asked for
};

// A staged message and where it goes; result is filled in.
struct CommitItem {
  Path staged;       // in tmp/, synced
  std::string base;  // its unique name, without sizes
  std::uint64_t size = 0;
  std::uint64_t wire_size = 0;
  const Target* target = nullptr;
  bool is_last = false;  // the last target of its staged file: it is renamed there, not linked
  Placed placed;
};
// The items of one request: all are placed or none.
struct CommitGroup {
  std::vector<CommitItem> items;
  Result<> outcome;
};

class Engine {
 public:
  struct Options {
    Path path;
    std::string account;  // whose it is, for store.unix_users
    config::Store store;
    Disk* disk = &Disk::real();
    const Clock* clock = &Clock::system();
    std::string hostname = "localhost";
    std::string boot_id;
  };
  explicit Engine(Options options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Result<> open();   // makes the account's folder if missing
  Result<> close();  // gives the rest of the leased UIDs back
  void rest() {      // frees the database's memory; the next call opens it again
    if (index_.is_in_memory()) return;
    index_.close();
    usage_told_at_ = -1;
  }

  Result<std::vector<MailboxInfo>> list();
  Result<NameResult> create(std::string_view name, SpecialUse use, Changes& changes);
  Result<NameResult> remove(std::string_view name, Changes& changes);
  Result<NameResult> rename(std::string_view from, std::string_view to, Changes& changes);
  Result<> subscribe(std::string_view name, Subscription wanted);
  Result<std::optional<std::string>> find_nocase(std::string_view name);
  Result<> ensure_defaults(Changes& changes);
  bool has_mailbox(std::string_view checked_name) const;  // touches no index

  // engine_annotations.cc. Names are checked; "": those of the account. nullopt: there is no such
  // mailbox. The special use that the configuration gives is among them.
  Result<std::optional<Annotations>> annotations(std::string_view name, Changes& changes);
  // All of them or none.
  Result<AnnotationResult> annotate(std::string_view name,
                                    const std::vector<AnnotationChange>& wanted, Changes& changes);
  Result<std::optional<std::string>> find_by_use(SpecialUse use);
  Result<std::optional<SpecialUse>> special_use(std::string_view name);

  // engine_ids.cc. RFC 8474; empty: it could not be made to last yet.
  Result<std::optional<std::string>> mailbox_id(std::string_view name, Changes& changes);
  Result<std::optional<std::string>> find_by_id(std::string_view id, Changes& changes);

  // All of these look first whether the folders changed. first_recent: what a session of an open
  // mailbox has claimed.
  Result<std::optional<MailboxStatus>> status(std::string_view name, Uid first_recent,
                                              Changes& changes);
  enum class Load { row, entries };
  Result<std::optional<OpenedMailbox>> open_mailbox(std::string_view name, Load what,
                                                    Changes& changes);
  Result<> refresh(std::int64_t id, RefreshMode mode, Uid first_recent, Changes& changes);
  // Moves messages that a session was told of as \Recent from new/ to cur/, and remembers
  // first_recent.
  Result<> claim(std::int64_t id, Uid first_recent, Changes& changes);

  Result<FlagResult> store_flags(std::int64_t id, const FlagRequest& request, Changes& changes);
  Result<std::vector<Uid>> expunge(std::int64_t id, const std::optional<std::vector<Uid>>& uids,
                                   Changes& changes);
  Result<CopyResult> transfer(std::int64_t id, const std::vector<Uid>& uids,
                              std::string_view target, Transfer how, Changes& changes);
  Result<std::optional<OpenMessage>> open_message(std::int64_t id, Uid uid, Changes& changes);
  // Each that cannot be read is told of once, and comes with a file that is not open.
  std::vector<std::optional<OpenMessage>> open_messages(std::int64_t id,
                                                        const std::vector<Uid>& uids,
                                                        Changes& changes);
  void log_unreadable(const Error& error);  // each once
  Result<> load_sizes(std::int64_t id, const std::vector<Uid>& uids, Changes& changes);
  Result<std::vector<MessageRecord>> load_records(std::int64_t id, const std::vector<Uid>& uids);
  Result<> keep_records(std::int64_t id, const std::vector<MessageRecord>& records);
  Result<std::vector<MessageRecord>> load_digests(std::int64_t id, const std::vector<Uid>& uids);
  Result<> keep_digests(std::int64_t id, const std::vector<MessageRecord>& digests);
  Result<Mailbox::Vanished> vanished_since(std::int64_t id, ModSeq modseq);

  // See Account. The names are made if they are missing.
  Result<std::vector<bool>> take_uidvalidity(
      const std::vector<std::pair<std::string, std::uint32_t>>& wanted, Changes& changes);
  Result<> raise_uidnext(std::string_view name, Uid uidnext, Changes& changes);

  // Puts each item into its target; each folder is synced once for all groups.
  void commit(std::vector<CommitGroup>& groups, Changes& changes);

  // engine_usage.cc. Makes every mailbox known to the index, with what lies in it now.
  Result<> count_usage(Changes& changes);
  // What each mailbox holds, if that has changed since it was told; nothing before count_usage().
  std::optional<std::vector<MailboxUsage>> take_usage_news();
  bool is_usage_whole() const { return is_usage_whole_; }

  // Did a folder of an open mailbox change since it was read? Touches no index; safe beside nothing
  // else all the same.
  bool has_news(std::int64_t id);

  const Path& path() const { return options_.path; }

 private:
  // Keyword numbers that may be given to new names. Found by one look at all messages, then kept.
  struct FreeNumbers {
    bool is_known = false;
    bool is_fresh = false;               // found in this request: there is no use in another look
    bool is_forgetting = false;          // names went just now: posthorn-keywords is written anew
    std::uint32_t letters = 0;           // bit n is the letter 'a' + n
    std::vector<KeywordNumber> numbers;  // from 26 on, descending
    std::size_t next = kKeywordLettersMax;  // from here on all are free
    std::size_t grow_to = 0;                // look again before next passes this
  };
  struct State {
    MailboxRow row;
    Path path;
    Uid leased = 1;  // N in the uidlist: UIDs below it may be given out
    // The UID that the uidlist or its name has for an unknown file counts from here: below, it was
    // used before.
    Uid accept_from = 1;
    ModSeq modseq_leased = 1;       // M in the uidlist: mod-sequences up to it may be told
    Uid listed_end = 1;             // behind the uidlist's last line
    bool is_list_doubtful = false;  // a write or sync of the uidlist failed: write it anew
    bool is_high_doubtful = false;  // a write or sync of posthorn-keywords failed: write it anew
    std::uint64_t high_rewrite_at = 4U << 20U;  // bytes of posthorn-keywords: then anew
    KeywordNamesPtr saved_keywords;             // as the index surely has them
    Keywords promised_keywords;                 // of a transfer under way, no message has them yet
    FreeNumbers free_numbers;
    bool is_checked = false;
    bool is_mail_held_back = false;  // new mail whose UIDs could not be made durable yet
    std::optional<SteadyTime>
        verify_at;  // when the folders are read even if their times are the same
    std::optional<MailboxStatus> counted;
  };
  // Notes the folders' times before we change them ourselves; settle() before the row is saved
  // takes over the times of after, so that our own changes are no news. Without settle() the next
  // look reads the folders.
  class OwnChange {
   public:
    explicit OwnChange(const State& state);
    void settle(State& state) const;

   private:
    Stamp in_new_;
    Stamp in_cur_;
  };
  class UidListLock;

  Disk& disk() const { return *options_.disk; }
  WallTime now() const { return options_.clock->now(); }
  ModSeq clock_modseq() const;  // milliseconds since 1970
  Path folder_path(std::string_view name) const;
  Result<> ensure_open();
  Result<> open_index(const Path& file);
  void follow_room(const Path& file);
  bool release_reserve();
  Result<State*> find(std::string_view name, Changes& changes);  // nullptr: there is none
  Result<State*> find(std::int64_t id);                          // Error if there is none
  Result<State*> adopt(std::string_view name, const Path& path, Changes& changes);
  Result<State*> check(State& state, Changes& changes);
  void forget(const std::string& name, Changes& changes);
  MailboxChanges& change_of(State& state, Changes& changes) const;
  Result<> save(State& state);
  void note_committed(State& state) const;
  // Saves and commits; if that fails, the folders are read again at the next look.
  Result<> finish(State& state, Database::Transaction& transaction);
  Result<> clean_up();
  void remove_aside(const Path& aside);
  void share_all();
  void share(const Path& maildir);

  // engine_uids.cc
  Result<std::uint32_t> make_uidvalidity();
  Result<> raise_uidvalidity(std::uint32_t value);
  Result<std::uint32_t> read_uidvalidity_floor();
  // With more that the index has not got yet.
  using UidNames = std::vector<std::pair<Uid, std::string>>;
  Result<> write_uidlist(State& state, const UidNames& more = {});
  Result<> lease(State& state, Uid end, ModSeq modseq_end);
  Result<> lease_modseq(State& state);
  struct ListedUids;
  Result<> reread_uidlist(State& state, ListedUids& listed);
  Result<> prepare_uids(State& state);
  Result<Uid> take_uid(State& state, Uid wish);
  static std::vector<MessageRow*> take_known_uids(const State& state, ListedUids& listed,
                                                  std::vector<MessageRow>& rows);
  // On an Error no row has one, and nothing that may be told has changed. all: no file but
  // these and those of the index is there, so other lines of the uidlist may go.
  Result<> assign_uids(State& state, std::vector<MessageRow>& rows, Extent extent);
  Result<> give_uids(State& state, std::vector<MessageRow>& rows, Extent extent);
  Result<> write_new_guid(State& state, const UidList& list);
  Result<> append_uids(State& state, const std::vector<MessageRow>& rows, const ListedUids& listed);
  Result<std::optional<std::string>> read_uidlist(const State& state);

  // engine_sync.cc
  Result<> sync(State& state, RefreshMode mode, Changes& changes);
  Result<FolderScan> scan(State& state);
  Result<> resolve_duplicates(State& state, FolderScan& found);
  struct Difference;
  static Difference compare(const FolderScan& found, const std::vector<MessageRow>& rows);
  Result<> take_difference(State& state, Difference& difference, Changes& changes);
  Result<std::vector<MessageRow>> read_new_files(State& state, Difference& difference);
  void log_junk(const std::string& path);

  // engine_keywords.cc
  Result<> append_high(State& state, const std::string& lines);
  Result<> write_high(State& state, const KeywordNames& names, const std::string& lines);
  Result<bool> has_room_for_marks(State& state, std::size_t messages, std::size_t numbers);
  Result<> read_high_names(State& state);
  Result<> restore_high_marks(State& state);
  Result<> add_high_marks(const State& state, std::vector<MessageRow>& rows);
  Result<> read_keywords(State& state, Changes* changes);
  Result<KeywordBits> keywords_in_use(const State& state);
  Result<> look_for_numbers(State& state, const KeywordBits& given, KeywordNames& names,
                            FreeNumbers& free);
  Result<std::optional<std::size_t>> take_number(State& state, const KeywordBits& given,
                                                 KeywordNames& names, FreeNumbers& free);
  enum class IfUnknown { add, pass_over };
  Result<std::optional<Keywords>> keywords_of(State& state, const std::vector<std::string>& names,
                                              IfUnknown if_unknown, Changes& changes);
  Result<bool> add_keywords(State& state, const std::vector<std::string_view>& unknown,
                            KeywordBits& bits, Changes& changes);

  // engine_mail.cc
  Result<std::optional<MessageRow>> locate(State& state, Uid uid, Changes& changes);
  struct Marks {
    Flags flags = 0;
    Keywords keywords;
  };
  struct StoredFlags {
    std::optional<Entry> entry;          // nullopt: it is gone, or is_modified
    std::optional<std::string> high_of;  // its base name: keywords beyond z changed
    bool is_changed = false;
    bool is_modified = false;  // unchanged_since did not hold
    Marks before;
    FlagChange change() const {  // of one that is there
      return {.uid = entry->uid,
              .flags = entry->flags,
              .keywords = entry->keywords,
              .modseq = entry->modseq,
              .is_changed = is_changed,
              .flags_before = before.flags,
              .keywords_before = before.keywords};
    }
  };
  // How often a message is looked for anew when another program renames its file at the same time.
  static constexpr int kAttemptsMax = 20;
  static constexpr int kFailuresMax = 3;  // of copying, which may be long
  static std::unexpected<Error> renamed_too_often(const Path& maildir);
  static FileLocation location_with(const FileLocation& old, Flags flags, const Keywords& keywords);
  using WantedMarks = std::function<Marks(const Entry&)>;
  Result<StoredFlags> store_one(State& state, Uid uid, std::optional<ModSeq> unchanged_since,
                                const WantedMarks& wanted, Changes& changes);
  Result<bool> take_away(State& state, Uid uid, Changes& changes);
  Result<> remove_row(State& state, Uid uid, MailboxChanges& change);

  // engine_copy.cc
  static std::vector<std::string> keyword_names(const State& state, const Keywords& keywords);
  Result<bool> knows_keywords(State& from, const std::vector<Uid>& uids, State& to,
                              Changes& changes);
  Result<bool> place_copy(State& from, const MessageRow& source, State& to, MessageRow& copy,
                          Transfer how);
  Result<> copy_file(const Path& from, const Path& to, std::int64_t internal_date);
  struct Promise {
    Uid uid = 0;
    Uid uid_there = 0;  // 0, and no name: not made yet
    std::string base_there;
  };
  Result<std::vector<Promise>> promise_names(const State& from, const std::vector<Uid>& uids,
                                             State& to, Changes& changes);
  Result<> make_name(const Entry& entry, State& to, Promise& promise);
  Result<std::optional<MessageRow>> transfer_one(State& from, Promise promise, State& to,
                                                 Transfer how, Changes& changes);
  // A COPY or MOVE under way: what has its file in the target, by the UID it had.
  struct Passage {
    State& from;
    State& to;
    const Transfer how;
    const OwnChange own_from, own_to;
    std::vector<std::pair<Uid, MessageRow>> copies;
  };
  Result<> pass(Passage& passage, const std::vector<Uid>& uids, Changes& changes);
  Result<> record(const Passage& passage, CopyResult& result, Changes& changes);

  // engine_commit.cc
  struct PlacedFile;
  struct TargetPlace {
    NameResult result = NameResult::done;
    State* state = nullptr;
    Keywords keywords;
  };
  Result<TargetPlace> find_place(const Target& target, Changes& changes);
  struct CommitMailbox {
    OwnChange own;
    Uid uidnext = 1;  // before any was taken
  };
  std::map<std::int64_t, CommitMailbox> prepare_mailboxes(const std::vector<CommitGroup>& groups,
                                                          Changes& changes);
  Result<> place_group(CommitGroup& group, std::vector<PlacedFile>& placed, Changes& changes);
  void undo(std::vector<PlacedFile>& placed, const CommitGroup& group);
  Result<> record(std::vector<PlacedFile>& placed, Changes& changes);

  // engine_names.cc
  Result<> read_odd_folders();
  void adopt_odd_folders(const std::vector<std::string>& folders);
  Result<> drop_odd_folder(std::string_view name);
  Result<std::vector<std::string>> mailbox_names();
  Result<NameResult> make_mailbox(std::string_view name, SpecialUse use, Changes& changes);
  Result<NameResult> rename_inbox(std::string_view to, Changes& changes);
  Result<Subscriptions> read_subscriptions();
  SpecialUse configured_use(std::string_view name) const;
  std::string_view configured_name(SpecialUse use) const;

  // engine_annotations.cc
  Path annotations_path(std::string_view name) const;
  Result<std::optional<Annotations>> read_annotations(std::string_view name, Changes& changes);
  Result<> write_annotations(const Path& path, const std::string& text);
  Result<> note_annotations(const std::vector<std::string>& names);
  void note(std::string_view name, std::optional<SpecialUse> use);
  // As of the last note_annotations(), and what was done here since.
  SpecialUse use_of(std::string_view name) const;
  const std::string* holder_of(SpecialUse use) const;
  Result<bool> is_use_given(SpecialUse use, std::string_view but);

  // engine_ids.cc
  static std::string id_from(std::string_view guid);
  bool is_guid_taken(const State& state) const;
  void ensure_guid(State& state, const UidList& list);

  Options options_;
  log::Logger log_;
  Index index_;
  bool was_opened_ = false;
  bool is_same_boot_ = false;  // no power cut since the index was written
  bool is_usage_whole_ = false;
  std::int64_t usage_told_at_ = -1;  // how many rows had been written then
  std::map<std::string, State, std::less<>> states_;
  std::map<std::int64_t, std::string> names_;  // id -> key of states_
  OddFolders odd_folders_;
  // What the annotations of a mailbox say of its special use. Files that others have put there are
  // seen when the mailboxes are listed.
  struct Noted {
    Stamp file;
    std::optional<SpecialUse> use;
  };
  std::map<std::string, Noted, std::less<>> noted_;  // those that have a file
  bool is_noted_ = false;
  std::set<std::string, std::less<>> ids_missed_;  // that no mailbox had a while ago
  SteadyTime ids_missed_since_{};
  UniqueNames unique_;
  SteadyTime room_looked_{};
  std::uint64_t room_ = 0;
  std::set<std::string> junk_logged_;
  std::set<std::string> unreadable_logged_;
  std::optional<uid_t> unix_user_;  // who shares the maildirs
};

}  // namespace posthorn::store
