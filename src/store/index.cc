#include "store/index.h"

#include <algorithm>
#include <cstring>

#include "base/ids.h"

namespace posthorn::store {
namespace {

// bytes: what the answer refers to.
Statement::NumberOrBytes bindable(const Keywords& keywords, std::string& bytes) {
  if (const auto mask = keywords.mask()) return static_cast<std::int64_t>(*mask);
  bytes = keywords.packed();
  return std::string_view(bytes);
}

}  // namespace

Keywords Index::keywords_in(const Statement& s, int column) {
  if (!s.is_blob(column)) return Keywords::of_mask(s.number<std::uint64_t>(column));
  return intern(Keywords::of_packed(s.bytes(column)));
}

MessageRow Index::message_from(const Statement& s) {
  MessageRow row;
  row.entry.uid = s.number<Uid>(0);
  row.file.base = s.bytes(1);
  row.file.place = s.integer(2) == 0 ? Place::in_new : Place::in_cur;
  row.file.info = s.bytes(3);
  row.file.has_info = s.integer(4) != 0;
  row.entry.flags = s.number<Flags>(5);
  row.entry.keywords = keywords_in(s, 6);
  row.entry.modseq = s.number<ModSeq>(7);
  row.entry.internal_date = s.integer(8);
  row.entry.size = s.number<std::uint32_t>(9);
  row.entry.wire_size = s.number<std::uint32_t>(10);
  row.is_exact = s.integer(11) != 0;
  return row;
}

Path FileLocation::path_in(const Path& maildir) const {
  std::string name = base;
  if (has_info) name += ":2," + info;
  return maildir / (place == Place::in_new ? "new" : "cur") / name;
}

Result<std::string> Index::meta(std::string_view key) {
  TRY(auto s, db_.prepare("SELECT value FROM meta WHERE key = ?"));
  s.bind(key);
  TRY(const bool has_row, s.step());
  return has_row ? std::string(s.bytes(0)) : std::string();
}

Result<> Index::set_meta(std::string_view key, std::string_view value) {
  TRY(auto s, db_.prepare("INSERT OR REPLACE INTO meta VALUES(?, ?)"));
  return s.bind(key, value).run();
}

Result<std::vector<MailboxRow>> Index::mailboxes() {
  TRY(auto s,
      db_.prepare("SELECT id, name, uidvalidity, uidnext, first_recent, modseq, vanished_floor, "
                  "guid, new_time, new_inode, cur_time, cur_inode, list_time, list_inode, "
                  "list_size, keywords_time, keywords_inode, keywords_size "
                  "FROM mailboxes"));
  std::vector<MailboxRow> rows;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) break;
    MailboxRow& row = rows.emplace_back();
    row.id = s.integer(0);
    row.name = s.bytes(1);
    row.uidvalidity = s.number<std::uint32_t>(2);
    row.uidnext = s.number<Uid>(3);
    row.first_recent = s.number<Uid>(4);
    row.modseq = s.number<ModSeq>(5);
    row.vanished_floor = s.number<ModSeq>(6);
    row.guid = s.bytes(7);
    row.in_new = {s.integer(8), s.integer(9), 0};
    row.in_cur = {s.integer(10), s.integer(11), 0};
    row.uidlist = {s.integer(12), s.integer(13), s.integer(14)};
    row.keywords_file = {s.integer(15), s.integer(16), s.integer(17)};
  }
  for (MailboxRow& row : rows) {
    TRY(row.keywords, keyword_names(row.id));
  }
  return rows;
}

Result<KeywordNamesPtr> Index::keyword_names(std::int64_t mailbox) {
  TRY(auto s, db_.prepare("SELECT number, name FROM keywords WHERE mailbox = ?"));
  s.bind(mailbox);
  std::shared_ptr<KeywordNames> names;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) break;
    if (!names) names = std::make_shared<KeywordNames>();
    if (const auto number = s.number<std::size_t>(0); number < kKeywordsMax)
      names->set(number, s.bytes(1));
  }
  return names ? KeywordNamesPtr(std::move(names)) : KeywordNames::none();
}

Result<> Index::save_keywords(const MailboxRow& row) {
  TRY(const auto before, keyword_names(row.id));
  for (std::size_t i = 0; i < std::max(before->size(), row.keywords->size()); ++i) {
    const std::string& name = (*row.keywords)[i];
    if ((*before)[i] == name) continue;
    if (name.empty()) {
      TRY(auto s, db_.prepare("DELETE FROM keywords WHERE mailbox = ? AND number = ?"));
      TRY_OK(s.bind(row.id, static_cast<std::uint64_t>(i)).run());
    } else {
      TRY(auto s, db_.prepare("INSERT OR REPLACE INTO keywords VALUES(?, ?, ?)"));
      TRY_OK(s.bind(row.id, static_cast<std::uint64_t>(i), name).run());
    }
  }
  return {};
}

Result<> Index::add_mailbox(MailboxRow& row) {
  // A random id: after the index was made anew, an open snapshot of before must not meet another
  // mailbox.
  std::int64_t id = 0;
  std::memcpy(&id, random_bytes(sizeof id).data(), sizeof id);
  row.id = id & 0x3FFF'FFFF'FFFF'FFFF;
  {
    TRY(auto s, db_.prepare("INSERT INTO mailboxes(id, name) VALUES(?, ?)"));
    TRY_OK(s.bind(row.id, row.name).run());
  }
  TRY_OK(save_keywords(row));
  return save_mailbox(row);
}

Result<> Index::save_mailbox(const MailboxRow& row) {
  TRY(auto s, db_.prepare("UPDATE mailboxes SET name = ?, uidvalidity = ?, uidnext = ?, "
                          "first_recent = ?, modseq = ?, vanished_floor = ?, guid = ?, "
                          "new_time = ?, new_inode = ?, cur_time = ?, cur_inode = ?, "
                          "list_time = ?, list_inode = ?, list_size = ?, keywords_time = ?, "
                          "keywords_inode = ?, keywords_size = ? WHERE id = ?"));
  return s
      .bind(row.name, row.uidvalidity, row.uidnext, row.first_recent, row.modseq,
            row.vanished_floor, row.guid, row.in_new.time, row.in_new.inode, row.in_cur.time,
            row.in_cur.inode, row.uidlist.time, row.uidlist.inode, row.uidlist.size,
            row.keywords_file.time, row.keywords_file.inode, row.keywords_file.size, row.id)
      .run();
}

Result<> Index::clear_messages(std::int64_t id) {
  for (const char* sql :
       {"DELETE FROM messages WHERE mailbox = ?", "DELETE FROM vanished WHERE mailbox = ?",
        "DELETE FROM records WHERE mailbox = ?"}) {
    TRY(auto s, db_.prepare(sql));
    TRY_OK(s.bind(id).run());
  }
  return {};
}

Result<> Index::remove_mailbox(std::int64_t id) {
  TRY_OK(clear_messages(id));
  for (const char* sql :
       {"DELETE FROM usage WHERE mailbox = ?", "DELETE FROM keywords WHERE mailbox = ?",
        "DELETE FROM mailboxes WHERE id = ?"}) {
    TRY(auto s, db_.prepare(sql));
    TRY_OK(s.bind(id).run());
  }
  return {};
}

Result<std::vector<Entry>> Index::entries(std::int64_t mailbox) {
  TRY(auto s, db_.prepare("SELECT uid, size, wire_size, flags, keywords, modseq, date "
                          "FROM messages WHERE mailbox = ? ORDER BY uid"));
  s.bind(mailbox);
  std::vector<Entry> out;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) return out;
    out.push_back(Entry{.uid = s.number<Uid>(0),
                        .size = s.number<std::uint32_t>(1),
                        .wire_size = s.number<std::uint32_t>(2),
                        .flags = s.number<Flags>(3),
                        .keywords = keywords_in(s, 4),
                        .modseq = s.number<ModSeq>(5),
                        .internal_date = s.integer(6)});
  }
}

#define POSTHORN_MESSAGE_COLUMNS                                                              \
  "SELECT uid, base, place, info, has_info, flags, keywords, modseq, date, size, wire_size, " \
  "exact FROM messages WHERE mailbox = ?"

Result<std::vector<MessageRow>> Index::rows_by_name(std::int64_t mailbox) {
  TRY(auto s, db_.prepare(POSTHORN_MESSAGE_COLUMNS));
  s.bind(mailbox);
  std::vector<MessageRow> rows;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) break;
    rows.push_back(message_from(s));
  }
  std::ranges::sort(rows, {},
                    [](const MessageRow& row) { return std::string_view(row.file.base); });
  return rows;
}

Result<std::vector<std::pair<Uid, std::string>>> Index::names(std::int64_t mailbox) {
  TRY(auto s, db_.prepare("SELECT uid, base FROM messages WHERE mailbox = ? ORDER BY uid"));
  s.bind(mailbox);
  std::vector<std::pair<Uid, std::string>> out;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) return out;
    out.emplace_back(s.number<Uid>(0), s.bytes(1));
  }
}

Result<std::vector<Uid>> Index::uids_in_new(std::int64_t mailbox, Uid before) {
  TRY(auto s, db_.prepare("SELECT uid FROM messages WHERE mailbox = ? AND place = 0 AND uid < ?"));
  s.bind(mailbox, before);
  std::vector<Uid> out;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) return out;
    out.push_back(s.number<Uid>(0));
  }
}

Result<std::vector<Uid>> Index::uids_without_size(std::int64_t mailbox, std::size_t max) {
  TRY(auto s,
      db_.prepare("SELECT uid FROM messages WHERE mailbox = ? AND wire_size = 0 AND size > 0 "
                  "ORDER BY uid LIMIT ?"));
  s.bind(mailbox, static_cast<std::uint64_t>(max));
  std::vector<Uid> out;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) return out;
    out.push_back(s.number<Uid>(0));
  }
}

Result<std::optional<MessageRow>> Index::message(std::int64_t mailbox, Uid uid) {
  TRY(auto s, db_.prepare(POSTHORN_MESSAGE_COLUMNS " AND uid = ?"));
  s.bind(mailbox, uid);
  TRY(const bool has_row, s.step());
  if (!has_row) return std::nullopt;
  return message_from(s);
}

Result<> Index::add_message(std::int64_t mailbox, const MessageRow& row) {
  TRY(auto s, db_.prepare("INSERT OR REPLACE INTO messages VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"));
  const Entry& e = row.entry;
  std::string bytes;
  return s
      .bind(mailbox, e.uid, row.file.base, static_cast<int>(row.file.place), row.file.info,
            row.file.has_info, e.flags, bindable(e.keywords, bytes), e.modseq, e.internal_date,
            e.size, e.wire_size, row.is_exact)
      .run();
}

Result<> Index::save_message(std::int64_t mailbox, const MessageRow& row) {
  TRY(auto s, db_.prepare("UPDATE messages SET base = ?, place = ?, info = ?, has_info = ?, "
                          "flags = ?, keywords = ?, modseq = ?, date = ?, size = ?, "
                          "wire_size = ?, exact = ? WHERE mailbox = ? AND uid = ?"));
  const Entry& e = row.entry;
  std::string bytes;
  return s
      .bind(row.file.base, static_cast<int>(row.file.place), row.file.info, row.file.has_info,
            e.flags, bindable(e.keywords, bytes), e.modseq, e.internal_date, e.size, e.wire_size,
            row.is_exact, mailbox, e.uid)
      .run();
}

Result<> Index::remove_message(std::int64_t mailbox, Uid uid) {
  for (const char* sql : {"DELETE FROM messages WHERE mailbox = ? AND uid = ?",
                          "DELETE FROM records WHERE mailbox = ? AND uid = ?"}) {
    TRY(auto s, db_.prepare(sql));
    TRY_OK(s.bind(mailbox, uid).run());
  }
  return {};
}

Result<> Index::touch_messages(std::int64_t mailbox, ModSeq modseq) {
  TRY(auto s, db_.prepare("UPDATE messages SET modseq = ? WHERE mailbox = ?"));
  return s.bind(modseq, mailbox).run();
}

Result<MailboxStatus> Index::count(const MailboxRow& row) {
  // A wire size that is not known counts as twice the size: RFC 8438 section 2 allows more, not
  // less.
  TRY(auto s, db_.prepare("SELECT count(*), sum((flags & 1) = 0), sum((flags & 8) != 0), "
                          "sum(uid >= ?), sum(CASE wire_size WHEN 0 THEN 2 * size ELSE wire_size "
                          "END), sum(CASE WHEN flags & 8 THEN size END) FROM messages "
                          "WHERE mailbox = ?"));
  s.bind(row.first_recent, row.id);
  TRY_OK(s.step());
  return MailboxStatus{.mailbox_id = {},
                       .messages = s.number<std::uint32_t>(0),
                       .recent = s.number<std::uint32_t>(3),
                       .unseen = s.number<std::uint32_t>(1),
                       .deleted = s.number<std::uint32_t>(2),
                       .size = s.number<std::uint64_t>(4),
                       .deleted_size = s.number<std::uint64_t>(5),
                       .uidnext = row.uidnext,
                       .uidvalidity = row.uidvalidity,
                       .highest_modseq = row.modseq};
}

Result<std::vector<MailboxUsage>> Index::usage() {
  TRY(auto s, db_.prepare("SELECT name, bytes, messages FROM usage JOIN mailboxes "
                          "ON mailboxes.id = usage.mailbox"));
  std::vector<MailboxUsage> out;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) return out;
    out.push_back(
        {.name = std::string(s.bytes(0)),
         .used = {.bytes = s.number<std::uint64_t>(1), .messages = s.number<std::uint64_t>(2)}});
  }
}

Result<> Index::add_vanished(std::int64_t mailbox, ModSeq modseq, Uid uid) {
  TRY(auto s, db_.prepare("INSERT OR IGNORE INTO vanished VALUES(?, ?, ?)"));
  return s.bind(mailbox, modseq, uid).run();
}

Result<std::vector<Uid>> Index::vanished_since(std::int64_t mailbox, ModSeq modseq) {
  TRY(auto s, db_.prepare("SELECT uid FROM vanished WHERE mailbox = ? AND modseq > ?"));
  s.bind(mailbox, modseq);
  std::vector<Uid> out;
  for (;;) {
    TRY(const bool more, s.step());
    if (!more) break;
    out.push_back(s.number<Uid>(0));
  }
  std::ranges::sort(out);
  return out;
}

Result<ModSeq> Index::trim_vanished(std::int64_t mailbox, std::size_t max) {
  ModSeq floor = 0;
  {
    TRY(auto s, db_.prepare("SELECT modseq FROM vanished WHERE mailbox = ? "
                            "ORDER BY modseq DESC LIMIT 1 OFFSET ?"));
    s.bind(mailbox, static_cast<std::uint64_t>(max));
    TRY(const bool has_row, s.step());
    if (!has_row) return 0;
    floor = s.number<ModSeq>(0);
  }
  TRY(auto s, db_.prepare("DELETE FROM vanished WHERE mailbox = ? AND modseq <= ?"));
  TRY_OK(s.bind(mailbox, floor).run());
  return floor;
}

Result<std::vector<MessageRecord>> Index::records(std::int64_t mailbox,
                                                  const std::vector<Uid>& uids) {
  std::vector<MessageRecord> out;
  if (uids.empty()) return out;
  out.reserve(uids.size());
  if (uids.back() - uids.front() < 2 * uids.size()) {
    // Neighbours, as clients ask for them, lie behind one another.
    TRY(auto s, db_.prepare("SELECT uid, bytes FROM records WHERE mailbox = ? AND "
                            "uid BETWEEN ? AND ? ORDER BY uid"));
    s.bind(mailbox, uids.front(), uids.back());
    for (auto wanted = uids.begin();;) {
      TRY(const bool more, s.step());
      if (!more) return out;
      const Uid uid = s.number<Uid>(0);
      wanted = std::lower_bound(wanted, uids.end(), uid);
      if (wanted != uids.end() && *wanted == uid) out.push_back({uid, std::string(s.bytes(1))});
    }
  }
  for (const Uid uid : uids) {
    TRY(auto s, db_.prepare("SELECT bytes FROM records WHERE mailbox = ? AND uid = ?"));
    s.bind(mailbox, uid);
    TRY(const bool has_row, s.step());
    if (has_row) out.push_back({uid, std::string(s.bytes(0))});
  }
  return out;
}

Result<> Index::keep_record(std::int64_t mailbox, const MessageRecord& record) {
  // Only for a message that is still there: nothing would ever remove another one's.
  TRY(auto s, db_.prepare("INSERT OR REPLACE INTO records SELECT mailbox, uid, ? FROM messages "
                          "WHERE mailbox = ? AND uid = ?"));
  return s.bind(std::string_view(record.bytes), mailbox, record.uid).run();
}

Result<> Index::copy_record(std::int64_t from, Uid from_uid, std::int64_t to, Uid to_uid) {
  TRY(auto s, db_.prepare("INSERT OR REPLACE INTO records SELECT ?, ?, bytes FROM records "
                          "WHERE mailbox = ? AND uid = ?"));
  return s.bind(to, to_uid, from, from_uid).run();
}

Result<std::vector<MessageRecord>> Index::digests(std::int64_t mailbox,
                                                  const std::vector<Uid>& uids) {
  std::vector<MessageRecord> out;
  for (const Uid uid : uids) {
    TRY(auto s, db_.prepare("SELECT bytes FROM digests WHERE mailbox = ? AND uid = ?"));
    s.bind(mailbox, uid);
    TRY(const bool has_row, s.step());
    if (has_row) out.push_back({uid, std::string(s.bytes(0))});
  }
  return out;
}

Result<> Index::keep_digest(std::int64_t mailbox, const MessageRecord& digest) {
  TRY(auto s, db_.prepare("INSERT OR REPLACE INTO digests SELECT mailbox, uid, ? FROM messages "
                          "WHERE mailbox = ? AND uid = ?"));
  return s.bind(std::string_view(digest.bytes), mailbox, digest.uid).run();
}

Result<> Index::copy_digest(std::int64_t from, Uid from_uid, std::int64_t to, Uid to_uid) {
  TRY(auto s, db_.prepare("INSERT OR REPLACE INTO digests SELECT ?, ?, bytes FROM digests "
                          "WHERE mailbox = ? AND uid = ?"));
  return s.bind(to, to_uid, from, from_uid).run();
}

}  // namespace posthorn::store
