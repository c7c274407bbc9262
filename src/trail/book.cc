#include "trail/book.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/ascii.h"
#include "base/assert.h"
#include "base/events.h"

namespace posthorn::trail {
namespace {

constexpr int kVersion = 1;
constexpr std::int64_t kPieceMax = 1000;       // records removed in one transaction
constexpr std::int64_t kLookedAtMax = 20'000;  // records of one search
constexpr std::int64_t kLifeMax = 2000;        // records of one mail
constexpr std::int64_t kKinMax = 200;

constexpr const char* kSchema =
    "CREATE TABLE records (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL,"
    " event TEXT NOT NULL, session BLOB NOT NULL, queue_id BLOB NOT NULL, text BLOB NOT NULL);"
    "CREATE INDEX of_mail ON records (queue_id, id) WHERE queue_id <> x'';"
    "CREATE INDEX of_session ON records (session, id) WHERE session <> x'';"
    "CREATE TABLE names (name BLOB NOT NULL, role INTEGER NOT NULL, record INTEGER NOT NULL,"
    " PRIMARY KEY (name, role, record)) WITHOUT ROWID;"
    "CREATE TABLE births (child BLOB PRIMARY KEY, parent BLOB NOT NULL, record INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE INDEX of_parent ON births (parent);"
    "PRAGMA user_version = 1;";

// How long before the mail was taken its session may have begun to speak of it, and after.
constexpr std::int64_t kBeforeMs = 3'600'000, kAfterMs = 60'000;

std::int64_t to_ms(WallTime at) {
  return at.time_since_epoch().count();
}
WallTime from_ms(std::int64_t ms) {
  return WallTime(std::chrono::milliseconds(ms));
}

Result<Record> read_row(const sqlite::Statement& row) {
  TRY(Record record, parse_record(row.bytes(0)));
  record.source = row.bytes(1);
  return record;
}

bool has_null_sender(const Record& record) {
  return std::ranges::any_of(record.details, [](const auto& detail) {
    return detail.first == "from" && detail.second.empty();
  });
}

// Of the same moment, in the order in which they came.
// What the queue or the store made themselves bears the session of the mail that it came of.
bool came_by_session(std::string_view sent_by) {
  return sent_by != "notice" && sent_by != "sent-on";
}

void sort_by_time(std::vector<Record>& records) {
  std::vector<std::size_t> order(records.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(records[i].at, i); });
  std::vector<Record> sorted;
  sorted.reserve(records.size());
  for (const std::size_t i : order) sorted.push_back(std::move(records[i]));
  records = std::move(sorted);
}

}  // namespace

Result<> Book::open(const Path& file, Access access) {
  TRY_OK(database_.open(file));
  if (access == Access::read) return database_.execute("PRAGMA query_only = 1;");
  TRY_OK(
      database_.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                        "PRAGMA journal_size_limit = 4194304;"));
  int version = 0;
  {
    TRY(auto asked, database_.prepare("PRAGMA user_version"));
    TRY(const bool has_row, asked.step());
    version = has_row ? asked.number<int>(0) : 0;
  }
  if (version == kVersion) return {};
  TRY(auto transaction, database_.begin());
  // Of another version: what it holds is past, and nothing depends on it.
  TRY_OK(
      database_.execute("DROP TABLE IF EXISTS records; DROP TABLE IF EXISTS names;"
                        "DROP TABLE IF EXISTS births;"));
  TRY_OK(database_.execute(kSchema));
  return transaction.commit();
}

Result<> Book::keep(std::span<const Record> records) {
  TRY(auto transaction, database_.begin());
  TRY(auto insert, database_.prepare("INSERT INTO records (at, source, event, session, queue_id,"
                                     " text) VALUES (?, ?, ?, ?, ?, ?) RETURNING id"));
  TRY(auto name, database_.prepare("INSERT OR IGNORE INTO names (name, role, record)"
                                   " VALUES (?, ?, ?)"));
  TRY(auto birth, database_.prepare("INSERT OR IGNORE INTO births (child, parent, record)"
                                    " VALUES (?, ?, ?)"));
  for (const Record& record : records) {
    const std::string text = format_record(record);
    insert.bind(to_ms(record.at), record.source, record.event, record.session, record.queue_id,
                text);
    TRY(const bool has_id, insert.step());
    ASSERT(has_id);
    const std::int64_t id = insert.integer(0);
    TRY_OK(insert.run());
    for (const Name& one : names_of(record))
      TRY_OK(name.bind(one.text, static_cast<int>(one.role), id).run());
    if (const std::string_view child = child_of(record); !child.empty() && !record.queue_id.empty())
      TRY_OK(birth.bind(child, record.queue_id, id).run());
  }
  return transaction.commit();
}

// The records from that id up to, not including, below.
Result<> Book::remove(std::int64_t from, std::int64_t below) {
  TRY(auto rows, database_.prepare("SELECT text, source, id FROM records"
                                   " WHERE id >= ? AND id < ?"));
  TRY(auto name, database_.prepare("DELETE FROM names WHERE name = ? AND role = ? AND record = ?"));
  TRY(auto birth, database_.prepare("DELETE FROM births WHERE child = ? AND record = ?"));
  rows.bind(from, below);
  for (;;) {
    TRY(const bool has_row, rows.step());
    if (!has_row) break;
    const auto record = read_row(rows);
    if (!record) continue;
    const std::int64_t id = rows.integer(2);
    for (const Name& one : names_of(*record))
      TRY_OK(name.bind(one.text, static_cast<int>(one.role), id).run());
    if (const std::string_view child = child_of(*record); !child.empty())
      TRY_OK(birth.bind(child, id).run());
  }
  rows.reset();
  TRY(auto removal, database_.prepare("DELETE FROM records WHERE id >= ? AND id < ?"));
  return removal.bind(from, below).run();
}

Result<std::uint64_t> Book::size_in_use() {
  TRY(auto asked, database_.prepare("SELECT (page_count - freelist_count) * page_size FROM"
                                    " pragma_page_count, pragma_freelist_count, pragma_page_size"));
  TRY(const bool has_row, asked.step());
  return has_row ? asked.number<std::uint64_t>(0) : 0;
}

// Ids grow as records come, which is as good as the order of time.
Result<Book::Pruned> Book::prune(WallTime oldest, std::uint64_t size_max) {
  TRY(const std::uint64_t size, size_in_use());
  std::int64_t first = 0, below = 0, last = 0;
  {
    TRY(auto ends, database_.prepare("SELECT coalesce(min(id), 0), coalesce(max(id), -1)"
                                     " FROM records"));
    TRY(const bool has_row, ends.step());
    if (!has_row) return Pruned{};
    first = ends.integer(0), last = ends.integer(1);
  }
  if (last < first) return Pruned{};
  const std::int64_t piece_end = std::min(first + kPieceMax, last + 1);
  if (size > size_max) {
    below = piece_end;
  } else {
    TRY(auto young, database_.prepare("SELECT min(id) FROM records"
                                      " WHERE id >= ? AND id < ? AND at >= ?"));
    young.bind(first, piece_end, to_ms(oldest));
    TRY(const bool has_row, young.step());
    below = has_row && young.integer(0) > 0 ? young.integer(0) : piece_end;
  }
  if (below <= first) return Pruned{};
  TRY(auto transaction, database_.begin());
  TRY_OK(remove(first, below));
  TRY_OK(transaction.commit());
  return Pruned{static_cast<std::size_t>(below - first), below < piece_end || below > last};
}

Result<Book::Extent> Book::measure() {
  Extent extent;
  TRY(extent.size, size_in_use());
  // The ids have no gaps: records come at one end and go at the other. Nothing is read through.
  TRY(auto ends, database_.prepare("SELECT id, at FROM records WHERE id IN"
                                   " ((SELECT min(id) FROM records),"
                                   " (SELECT max(id) FROM records)) ORDER BY id"));
  std::int64_t first = 0, last = 0;
  for (;;) {
    TRY(const bool has_row, ends.step());
    if (!has_row) break;
    last = ends.integer(0);
    if (!extent.first) first = last;
    extent.last = from_ms(ends.integer(1));
    if (!extent.first) extent.first = extent.last;
  }
  if (extent.first) extent.records = static_cast<std::uint64_t>(last - first + 1);
  return extent;
}

Result<std::vector<Match>> Book::find(const Search& search) {
  // One name leads; the others are looked at in the records of the mails that it finds.
  struct Wanted {
    std::string text;
    int role_min, role_max;
  };
  std::vector<Wanted> wanted;
  const auto want = [&](const std::string& text, NameRole first, NameRole last) {
    if (!text.empty())
      wanted.push_back({last == NameRole::message_id ? text : to_lower(text),
                        static_cast<int>(first), static_cast<int>(last)});
  };
  want(search.message_id, NameRole::message_id, NameRole::message_id);
  want(search.address, NameRole::sender, NameRole::client);
  const bool is_null_sender = search.sender == "<>";
  if (!is_null_sender) want(search.sender, NameRole::sender, NameRole::sender);
  want(search.recipient, NameRole::recipient, NameRole::recipient);
  std::vector<Match> matches;
  std::set<std::string> seen;
  const std::int64_t since = search.since ? to_ms(*search.since) : 0;
  TRY(auto by_name, database_.prepare("SELECT r.queue_id, r.session, r.at, r.event FROM names n"
                                      " JOIN records r ON r.id = n.record"
                                      " WHERE n.name = ? AND n.role BETWEEN ? AND ? AND r.at >= ?"
                                      " ORDER BY n.record DESC LIMIT ?"));
  TRY(auto all, database_.prepare("SELECT queue_id, session, at, event FROM records"
                                  " WHERE at >= ? ORDER BY id DESC LIMIT ?"));
  auto& rows = wanted.empty() ? all : by_name;
  if (wanted.empty())
    all.bind(since, kLookedAtMax);
  else
    by_name.bind(wanted.front().text, wanted.front().role_min, wanted.front().role_max, since,
                 kLookedAtMax);
  for (;;) {
    TRY(const bool has_row, rows.step());
    if (!has_row || matches.size() >= search.max) break;
    Match match{std::string(rows.bytes(0)), std::string(rows.bytes(1)), from_ms(rows.integer(2))};
    const std::string key = match.queue_id.empty() ? "s " + match.session : "q " + match.queue_id;
    if (match.queue_id.empty() && match.session.empty()) continue;
    if (seen.contains(key)) continue;
    if (match.queue_id.empty() && !is_refusal(rows.bytes(3))) continue;
    seen.insert(key);
    bool is_wanted = true;
    if (wanted.size() > 1 || search.refused_only || is_null_sender) {
      TRY(const Life life,
          match.queue_id.empty() ? life_of_session(match.session) : life_of_mail(match.queue_id));
      const auto has = [&](const Wanted& one) {
        return std::ranges::any_of(life.records, [&](const Record& record) {
          return std::ranges::any_of(names_of(record), [&](const Name& name) {
            const int role = static_cast<int>(name.role);
            return role >= one.role_min && role <= one.role_max && name.text == one.text;
          });
        });
      };
      is_wanted =
          std::ranges::all_of(wanted, has) &&
          (!is_null_sender || std::ranges::any_of(life.records, has_null_sender)) &&
          (!search.refused_only || std::ranges::any_of(life.records, [](const Record& record) {
            return is_refusal(record.event);
          }));
    }
    if (is_wanted) matches.push_back(std::move(match));
  }
  return matches;
}

Result<Life> Book::life_of_mail(const std::string& queue_id) {
  Life life;
  std::string session;
  std::int64_t accepted_at = 0;
  TRY(auto rows, database_.prepare("SELECT text, source FROM records WHERE queue_id = ?"
                                   " AND queue_id <> x'' ORDER BY id LIMIT ?"));
  rows.bind(queue_id, kLifeMax + 1);
  for (;;) {
    TRY(const bool has_row, rows.step());
    if (!has_row) break;
    if (life.records.size() >= static_cast<std::size_t>(kLifeMax)) {
      life.is_cut = true;
      break;
    }
    auto record = read_row(rows);
    if (!record) continue;
    // Which session brought it, the queue says.
    if (record->event == event::queue_accepted.name && record->source == "queue" &&
        came_by_session(record->get("sent_by"))) {
      session = record->session;
      accepted_at = to_ms(record->at);
    }
    life.records.push_back(*std::move(record));
  }
  rows.reset();
  if (!session.empty()) {
    // A session may bring several mails: what was said in it since the one before is of this one.
    std::int64_t begin = accepted_at - kBeforeMs;
    TRY(auto before, database_.prepare("SELECT coalesce(max(at), 0) FROM records WHERE session = ?"
                                       " AND session <> x'' AND event = ? AND at < ?"
                                       " AND queue_id <> ?"));
    before.bind(session, event::queue_accepted.name, accepted_at, queue_id);
    TRY(const bool has_before, before.step());
    if (has_before) begin = std::max(begin, before.integer(0));
    TRY(auto said, database_.prepare("SELECT text, source FROM records WHERE session = ?"
                                     " AND session <> x'' AND queue_id = x'' AND at >= ?"
                                     " AND at <= ? ORDER BY id LIMIT ?"));
    said.bind(session, begin, accepted_at + kAfterMs, kLifeMax);
    for (;;) {
      TRY(const bool has_row, said.step());
      if (!has_row) break;
      if (auto record = read_row(said); record && to_ms(record->at) <= accepted_at)
        life.records.push_back(*std::move(record));
    }
  }
  sort_by_time(life.records);
  TRY(auto parent, database_.prepare("SELECT parent FROM births WHERE child = ?"));
  parent.bind(queue_id);
  TRY(const bool has_parent, parent.step());
  if (has_parent) life.parent = parent.bytes(0);
  TRY(auto children, database_.prepare("SELECT child FROM births WHERE parent = ?"
                                       " ORDER BY record LIMIT ?"));
  children.bind(queue_id, kKinMax);
  for (;;) {
    TRY(const bool has_row, children.step());
    if (!has_row) break;
    life.children.emplace_back(children.bytes(0));
  }
  return life;
}

Result<Life> Book::life_of_session(const std::string& session) {
  Life life;
  TRY(auto rows, database_.prepare("SELECT text, source FROM records WHERE session = ?"
                                   " AND session <> x'' AND queue_id = x'' ORDER BY id LIMIT ?"));
  rows.bind(session, kLifeMax);
  for (;;) {
    TRY(const bool has_row, rows.step());
    if (!has_row) break;
    if (auto record = read_row(rows)) life.records.push_back(*std::move(record));
  }
  sort_by_time(life.records);
  return life;
}

Result<std::vector<Record>> Book::logins_of(const std::string& account, std::size_t max) {
  // The inner bound is on what is looked at: an account has more mails than logins.
  TRY(auto rows,
      database_.prepare("SELECT text, source FROM (SELECT r.id, r.text, r.source, r.event FROM"
                        " names n JOIN records r ON r.id = n.record WHERE n.name = ? AND n.role = ?"
                        " ORDER BY n.record DESC LIMIT ?) WHERE source = ?"
                        " AND event IN (?, ?, ?) ORDER BY id DESC LIMIT ?"));
  const std::string name = to_lower(account);
  // What others than lookup say of logins does not count.
  rows.bind(name, static_cast<int>(NameRole::account), kLookedAtMax, "lookup",
            event::auth_succeeded.name, event::auth_failed.name, event::auth_banned.name,
            static_cast<std::int64_t>(max));
  std::vector<Record> records;
  for (;;) {
    TRY(const bool has_row, rows.step());
    if (!has_row) break;
    if (auto record = read_row(rows)) records.push_back(*std::move(record));
  }
  return records;
}

}  // namespace posthorn::trail
