// The index's schema: made, brought up from older versions, moved between disk and memory.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "store/index.h"

namespace posthorn::store {
namespace {

constexpr int kSchemaVersion = 3;

constexpr const char* kSchema = R"(
CREATE TABLE meta(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE mailboxes(
  id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, uidvalidity INTEGER, uidnext INTEGER,
  first_recent INTEGER, modseq INTEGER, vanished_floor INTEGER, guid BLOB,
  new_time INTEGER, new_inode INTEGER, cur_time INTEGER, cur_inode INTEGER,
  list_time INTEGER, list_inode INTEGER, list_size INTEGER,
  keywords_time INTEGER, keywords_inode INTEGER, keywords_size INTEGER);
CREATE TABLE keywords(
  mailbox INTEGER, number INTEGER, name BLOB, PRIMARY KEY(mailbox, number)) WITHOUT ROWID;
CREATE TABLE messages(
  mailbox INTEGER, uid INTEGER, base BLOB NOT NULL, place INTEGER, info BLOB, has_info INTEGER,
  flags INTEGER, keywords INTEGER, modseq INTEGER, date INTEGER,
  size INTEGER, wire_size INTEGER, exact INTEGER,
  PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
CREATE INDEX messages_in_new ON messages(mailbox, uid) WHERE place = 0;
CREATE INDEX messages_without_size ON messages(mailbox, uid) WHERE wire_size = 0;
CREATE TABLE vanished(
  mailbox INTEGER, modseq INTEGER, uid INTEGER, PRIMARY KEY(mailbox, modseq, uid)) WITHOUT ROWID;
CREATE TABLE records(
  mailbox INTEGER, uid INTEGER, bytes BLOB, PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
PRAGMA user_version = 3;
)";

// From version 1, where the names were one text, a line a number, and messages.keywords was a mask
// of 64 bits. Such a number is read still: a set that a number cannot hold is a blob now.
constexpr const char* kUpgradeKeywords = R"(
CREATE TABLE keywords(
  mailbox INTEGER, number INTEGER, name BLOB, PRIMARY KEY(mailbox, number)) WITHOUT ROWID;
ALTER TABLE mailboxes DROP COLUMN keywords;
PRAGMA user_version = 2;
)";

// From version 2, which kept what IMAP said of a message as text, a row a kind. It is made again
// when a client asks; no other row changes.
constexpr const char* kUpgradeRecords = R"(
DROP TABLE cache;
CREATE TABLE records(
  mailbox INTEGER, uid INTEGER, bytes BLOB, PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
PRAGMA user_version = 3;
)";

// What each mailbox holds, for quotas. Additional: an index of before gets it, and a program of
// before keeps it right without knowing. A trigger must not write by OR REPLACE or OR IGNORE: the
// statement that fires it decides which of the two it is.
constexpr const char* kUsageSchema = R"(
CREATE TABLE usage(
  mailbox INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, messages INTEGER NOT NULL);
INSERT INTO usage SELECT mailbox, sum(size), count(*) FROM messages GROUP BY mailbox;
CREATE TRIGGER usage_added AFTER INSERT ON messages BEGIN
  INSERT INTO usage SELECT new.mailbox, 0, 0
    WHERE NOT EXISTS (SELECT 1 FROM usage WHERE mailbox = new.mailbox);
  UPDATE usage SET bytes = bytes + new.size, messages = messages + 1 WHERE mailbox = new.mailbox;
END;
CREATE TRIGGER usage_removed AFTER DELETE ON messages BEGIN
  UPDATE usage SET bytes = bytes - old.size, messages = messages - 1 WHERE mailbox = old.mailbox;
END;
CREATE TRIGGER usage_resized AFTER UPDATE OF size ON messages WHEN new.size <> old.size BEGIN
  UPDATE usage SET bytes = bytes + new.size - old.size WHERE mailbox = new.mailbox;
END;
)";

// Digests of messages' contents, where somebody asked for them. Additional as well.
constexpr const char* kDigestsSchema = R"(
CREATE TABLE digests(
  mailbox INTEGER, uid INTEGER, bytes BLOB, PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
CREATE TRIGGER digests_removed AFTER DELETE ON messages BEGIN
  DELETE FROM digests WHERE mailbox = old.mailbox AND uid = old.uid;
END;
)";

constexpr std::pair<const char*, const char*> kAdditions[] = {{"usage", kUsageSchema},
                                                              {"digests", kDigestsSchema}};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Path with_suffix(const Path& file, std::string_view suffix) {
  Path out = file;
  out += suffix;
  return out;
}

Result<> remove_database(Disk& disk, const Path& file) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    TRY_OK(disk.remove(with_suffix(file, suffix)));
  return {};
}

Result<> rename_part(Disk& disk, const Path& from, const Path& to, std::string_view suffix) {
  TRY(const auto there, find_file_info(with_suffix(from, suffix)));
  if (!there) return {};
  return disk.rename(with_suffix(from, suffix), with_suffix(to, suffix));
}

// The database goes aside before its log, and comes back behind it. So where a crash came between
// the two, either way, the log lies here and the database aside.
//
//   file    file-wal  .stale  .stale-wal
//   yes     any       no      no          in use
//   no      yes       yes     no          between: they belong together
//   no      no        yes     any         aside, the index is in memory
//   partly  any       yes     any         coming back: what is aside counts
Result<> put_aside(Disk& disk, const Path& file) {
  const Path stale = with_suffix(file, ".stale");
  TRY_OK(rename_part(disk, file, stale, ""));
  return rename_part(disk, file, stale, "-wal");
}

Result<> bring_back(Disk& disk, const Path& file) {
  const Path stale = with_suffix(file, ".stale");
  TRY(const auto database, find_file_info(file));
  TRY(const auto log, find_file_info(with_suffix(file, "-wal")));
  TRY(const auto stale_log, find_file_info(with_suffix(stale, "-wal")));
  const bool is_between = !database && log && !stale_log;
  if (!is_between) TRY_OK(remove_database(disk, file));
  TRY_OK(rename_part(disk, stale, file, "-wal"));
  return rename_part(disk, stale, file, "");
}

}  // namespace

Result<> Index::to_memory(Disk& disk, const Path& file) {
  Database memory;
  TRY_OK(memory.open(":memory:"));
  TRY_OK(db_.copy_to(memory));
  TRY_OK(memory.execute("PRAGMA recursive_triggers = ON"));
  db_.close();
  db_.swap(memory);
  is_in_memory_ = true;
  return put_aside(disk, file);
}

Result<> Index::to_disk(Disk& disk, const Path& file) {
  TRY_OK(remove_database(disk, file));
  Database fresh;
  Result<> done = fresh.open(file);
  if (done) done = db_.copy_to(fresh);
  if (!done) {
    fresh.close();
    (void)remove_database(disk, file);
    return done;
  }
  fresh.swap(db_);
  is_in_memory_ = false;
  TRY_OK(prepare_schema());
  return remove_database(disk, with_suffix(file, ".stale"));
}

Result<> Index::open_in_memory() {
  TRY_OK(db_.open(":memory:"));
  is_in_memory_ = true;
  return prepare_schema();
}

Result<> Index::open(Disk& disk, const Path& file) {
  const Path stale = with_suffix(file, ".stale");
  TRY(const auto put_aside, find_file_info(stale));
  was_stale_ = put_aside.has_value();
  if (was_stale_) TRY_OK(bring_back(disk, file));
  is_in_memory_ = false;
  Result<> ready;
  for (int attempt = 0; attempt < 2; ++attempt) {
    is_new_ = false;
    ready = db_.open(file);
    if (ready) ready = prepare_schema();
    if (ready) return {};
    const bool is_corrupt = db_.is_corrupt() || ready.error().kind == ErrorKind::permanent;
    db_.close();
    if (!is_corrupt) return ready;
    // A cache that cannot be read is thrown away; the maildirs have all that matters.
    TRY_OK(remove_database(disk, file));
  }
  return ready;
}

Result<> Index::prepare_schema() {
  // One process owns an account, so the lock is held while open and no shared memory is needed.
  for (const char* pragma : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL",
                             "PRAGMA synchronous = NORMAL", "PRAGMA cache_size = -1024",
                             "PRAGMA temp_store = MEMORY", "PRAGMA journal_size_limit = 4194304",
                             // So that a row which is replaced counts as removed, too.
                             "PRAGMA recursive_triggers = ON"})
    TRY_OK(db_.execute(pragma));
  int version = 0;
  {
    TRY(auto s, db_.prepare("PRAGMA user_version"));
    TRY(const bool has_row, s.step());
    if (has_row) version = s.number<int>(0);
  }
  if (version == 1) TRY_OK(upgrade_keywords());
  if (version == 1 || version == 2) TRY_OK(upgrade_records());
  if (version >= 1 && version <= kSchemaVersion) return prepare_additions();
  if (version != 0)
    return fail(ErrorKind::permanent, fmt::format("index: version {} is not known", version));
  is_new_ = true;
  TRY(auto transaction, db_.begin());
  TRY_OK(db_.execute(kSchema));
  for (const auto& [table, schema] : kAdditions) TRY_OK(db_.execute(schema));
  return transaction.commit();
}

Result<> Index::upgrade_keywords() {
  TRY(auto transaction, db_.begin());
  std::vector<MailboxRow> rows;
  {
    TRY(auto s, db_.prepare("SELECT id, keywords FROM mailboxes"));
    for (;;) {
      TRY(const bool more, s.step());
      if (!more) break;
      const auto words = split(s.bytes(1));
      auto names = std::make_shared<KeywordNames>();
      for (std::size_t i = 0; i < std::min(words.size(), kKeywordsMax); ++i)
        names->set(i, words[i]);
      rows.emplace_back().id = s.integer(0);
      rows.back().keywords = std::move(names);
    }
  }
  TRY_OK(db_.execute(kUpgradeKeywords));
  for (const MailboxRow& row : rows) TRY_OK(save_keywords(row));
  return transaction.commit();
}

Result<> Index::upgrade_records() {
  TRY(auto transaction, db_.begin());
  TRY_OK(db_.execute(kUpgradeRecords));
  return transaction.commit();
}

Result<> Index::prepare_additions() {
  for (const auto& [table, schema] : kAdditions) {
    {
      TRY(auto s, db_.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = "
                              "CAST(? AS TEXT)"));
      s.bind(std::string_view(table));
      TRY(const bool is_there, s.step());
      if (is_there) continue;
    }
    TRY(auto transaction, db_.begin());
    TRY_OK(db_.execute(schema));
    TRY_OK(transaction.commit());
  }
  return {};
}

}  // namespace posthorn::store
