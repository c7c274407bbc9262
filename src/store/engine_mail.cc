// What sessions do with messages: flags, expunge, open. Copy and move: engine_copy.cc.
#include <algorithm>
#include <sys/stat.h>

#include "base/events.h"
#include "store/engine.h"
#include "store/line_ends.h"
#include "store/sharing.h"

namespace posthorn::store {

std::unexpected<Error> Engine::renamed_too_often(const Path& maildir) {
  return fail(ErrorKind::temporary, maildir.native() + ": a file is renamed again and again");
}

FileLocation Engine::location_with(const FileLocation& old, Flags flags, const Keywords& keywords) {
  FileLocation to = old;
  to.place = Place::in_cur;
  to.has_info = true;
  to.info = format_info({flags, keywords.letters()}, old.info);
  return to;
}

// The row of a message, with its file and flags as they are on disk now. nullopt: gone.
Result<std::optional<MessageRow>> Engine::locate(State& state, Uid uid, Changes& changes) {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    TRY(auto row, index_.message(state.row.id, uid));
    if (!row) return std::nullopt;
    if (stamp_of(row->file.path_in(state.path)) != Stamp{}) return row;
    // Another program renamed it. The index learns of that at the next look.
    TRY(auto found, find_message_file(state.path, row->file.base));
    if (found) {
      const Letters letters = parse_info(found->info);
      row->entry.flags = letters.flags;
      row->entry.keywords =
          index_.intern(row->entry.keywords.high() | Keywords::of_mask(letters.keywords));
      row->file = *std::move(found);
      return row;
    }
    TRY_OK(sync(state, RefreshMode::full, changes));
  }
  return renamed_too_often(state.path);
}

// One message's flags. When another program renames the file at the same time, what is wanted is
// worked out anew from what that program made of it.
Result<Engine::StoredFlags> Engine::store_one(State& state, Uid uid,
                                              std::optional<ModSeq> unchanged_since,
                                              const WantedMarks& wanted, Changes& changes) {
  Error last;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    StoredFlags out;
    TRY(auto row, locate(state, uid, changes));
    if (!row) return out;
    Entry& entry = row->entry;
    out.is_modified = unchanged_since && entry.modseq > *unchanged_since;
    if (out.is_modified) return out;
    Marks marks = wanted(entry);
    out.before = {entry.flags, entry.keywords};
    if (marks.flags == entry.flags && marks.keywords == entry.keywords) {
      out.entry = entry;
      return out;
    }
    const Path from = row->file.path_in(state.path);
    row->file = location_with(row->file, marks.flags, marks.keywords);
    const Path to = row->file.path_in(state.path);
    if (const auto renamed = from == to ? Result<>{} : disk().rename(from, to); !renamed) {
      last = renamed.error();
      continue;
    }
    if (entry.keywords.high() != marks.keywords.high()) out.high_of = row->file.base;
    entry.flags = marks.flags;
    entry.keywords = index_.intern(std::move(marks.keywords));
    entry.modseq = state.row.modseq + 1;
    TRY_OK(index_.save_message(state.row.id, *row));
    out.entry = entry;
    out.is_changed = true;
    return out;
  }
  return std::unexpected(std::move(last));
}

namespace {

// What STORE makes of a message's marks; nameless: letters that REPLACE leaves.
std::pair<Flags, Keywords> marks_after(const Entry& entry, const FlagRequest& request,
                                       const Keywords& keywords, std::uint32_t nameless) {
  const auto flags = static_cast<Flags>(request.flags & flag::all_imap);
  switch (request.mode) {
    case FlagMode::add:
      return {static_cast<Flags>(entry.flags | flags), entry.keywords | keywords};
    case FlagMode::remove:
      return {static_cast<Flags>(entry.flags & ~flags), entry.keywords - keywords};
    case FlagMode::replace:
      break;
  }
  return {static_cast<Flags>(flags | (entry.flags & flag::passed)),
          keywords | Keywords::of_mask(entry.keywords.letters() & nameless)};
}

}  // namespace

Result<FlagResult> Engine::store_flags(std::int64_t id, const FlagRequest& request,
                                       Changes& changes) {
  TRY(State * state, find(id));
  FlagResult result;
  state->promised_keywords = {};
  const auto if_unknown = request.mode == FlagMode::remove ? IfUnknown::pass_over : IfUnknown::add;
  TRY(const auto keywords, keywords_of(*state, request.keywords, if_unknown, changes));
  bool has_room = keywords.has_value();
  if (const std::size_t high = has_room ? keywords->high().size() : 0; high > 0) {
    const std::size_t messages = request.uids.size();
    TRY(has_room, has_room_for_marks(*state, messages, messages * high));
  }
  if (!has_room) {
    result.result = NameResult::keyword_limit;
    return result;
  }
  // Letters that no keyword names are another program's: REPLACE leaves them.
  std::uint32_t nameless = 0;
  for (std::size_t letter = 0; letter < kKeywordLettersMax; ++letter)
    if ((*state->row.keywords)[letter].empty()) nameless |= std::uint32_t{1} << letter;

  TRY_OK(lease_modseq(*state));
  OwnChange own(*state);
  TRY(auto transaction, index_.begin());
  MailboxChanges change;
  change.id = id;
  Result<> failure;
  std::string high;  // lines for posthorn-keywords
  const auto wanted = [&](const Entry& entry) -> Marks {
    auto [flags, words] = marks_after(entry, request, *keywords, nameless);
    return {flags, std::move(words)};
  };
  for (const Uid uid : request.uids) {
    auto stored = store_one(*state, uid, request.unchanged_since, wanted, changes);
    if (!stored) {
      failure = std::unexpected(std::move(stored).error());
      break;
    }
    if (stored->is_modified) result.modified.push_back(uid);
    if (!stored->entry) continue;
    const Entry& entry = *stored->entry;
    result.messages.push_back(stored->change());
    if (stored->is_changed) change.changed.push_back(entry);
    if (stored->high_of) append_high_mark(entry.keywords, *stored->high_of, high);
  }
  if (!change.changed.empty()) {
    // Reading the folders anew on the way may have used this mod-sequence already; a shared one
    // does no harm.
    state->row.modseq = std::max(state->row.modseq, change.changed.back().modseq);
    own.settle(*state);
  }
  TRY_OK(append_high(*state, high));
  TRY_OK(finish(*state, transaction));
  change.uidnext = state->row.uidnext;
  change.modseq = state->row.modseq;
  if (!change.changed.empty()) changes.push_back(std::move(change));
  if (!failure) return std::unexpected(std::move(failure).error());
  return result;
}

Result<> Engine::remove_row(State& state, Uid uid, MailboxChanges& change) {
  const ModSeq modseq = state.row.modseq + 1;
  change.expunged.emplace_back(uid, modseq);
  TRY_OK(index_.remove_message(state.row.id, uid));
  return index_.add_vanished(state.row.id, modseq, uid);
}

// Removes a message's file if it still has \Deleted. By way of tmp/, so that a file that another
// program renames at that moment is not taken for removed. false: it is gone already, or \Deleted
// was taken back.
Result<bool> Engine::take_away(State& state, Uid uid, Changes& changes) {
  Error last;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    TRY(const auto row, locate(state, uid, changes));
    if (!row || (row->entry.flags & flag::deleted) == 0) return false;
    const Path from = row->file.path_in(state.path);
    const Path aside = options_.path / "tmp" / unique_.make(now());
    const auto renamed = disk().rename(from, aside);
    // A full disk may have no room for the other name.
    const bool is_stubborn = !renamed && attempt >= kFailuresMax && stamp_of(from) != Stamp{};
    if (!renamed && !is_stubborn) {
      last = renamed.error();
      continue;
    }
    TRY_OK(disk().remove(is_stubborn ? from : aside));
    return true;
  }
  return std::unexpected(std::move(last));
}

Result<std::vector<Uid>> Engine::expunge(std::int64_t id,
                                         const std::optional<std::vector<Uid>>& uids,
                                         Changes& changes) {
  TRY(State * state, find(id));
  std::vector<Uid> victims;
  TRY(const auto entries, index_.entries(id));
  for (const Entry& entry : entries)
    if ((entry.flags & flag::deleted) != 0 &&
        (!uids || std::ranges::binary_search(*uids, entry.uid)))
      victims.push_back(entry.uid);
  if (victims.empty()) return victims;

  MailboxChanges change;
  change.id = id;
  std::vector<Uid> gone;
  Result<> failure;
  // Room is what an expunge makes: it must not fail for want of it.
  if (const auto leased = lease_modseq(*state); !leased)
    log_.warn(event::store_index_failed, {{"error", leased.error().what}});
  {
    OwnChange own(*state);
    Result<> recorded;
    auto transaction = index_.begin();
    if (!transaction) recorded = std::unexpected(transaction.error());
    for (const Uid uid : victims) {
      const auto taken = take_away(*state, uid, changes);
      if (!taken) {
        failure = std::unexpected(taken.error());
        break;
      }
      if (!*taken) continue;
      const auto removed = remove_row(*state, uid, change);
      if (recorded && !removed) recorded = removed;
      gone.push_back(uid);
    }
    if (!gone.empty()) ++state->row.modseq;
    own.settle(*state);
    if (recorded) recorded = finish(*state, *transaction);
    if (!recorded) {
      // On a full disk the index may not take it; the files are gone, and the next look finds that
      // out.
      log_.warn(event::store_index_failed, {{"error", recorded.error().what}});
      state->row.in_new = state->row.in_cur = {};
    }
  }
  change.uidnext = state->row.uidnext;
  change.modseq = state->row.modseq;
  if (!gone.empty()) changes.push_back(std::move(change));
  if (!failure) return std::unexpected(std::move(failure).error());
  return gone;
}

Result<std::optional<OpenMessage>> Engine::open_message(std::int64_t id, Uid uid,
                                                        Changes& changes) {
  TRY(State * state, find(id));
  Error last = renamed_too_often(state->path).error();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    TRY(auto row, index_.message(id, uid));
    if (!row) return std::nullopt;
    Path path = row->file.path_in(state->path);
    auto file = disk().open(path, OpenMode::read);
    if (!file && stamp_of(path) == Stamp{}) {
      // Renamed: read it where it is now, the row learns of that at the next look.
      TRY(const auto found, find_message_file(state->path, row->file.base));
      if (!found) {
        TRY_OK(sync(*state, RefreshMode::full, changes));
        continue;
      }
      path = found->path_in(state->path);
      file = disk().open(path, OpenMode::read);
    }
    if (!file) {
      // Even when it is there now: it may have been away for a moment.
      last = std::move(file).error();
      continue;
    }
    OpenMessage message;
    message.uid = uid;
    message.file = *std::move(file);
    TRY(const auto info, read_file_info(message.file));
    message.size = info.size;
    message.internal_date = WallTime(std::chrono::seconds(row->entry.internal_date));
    if (!row->is_exact || row->entry.size != info.size) {
      TRY(const std::uint64_t wire, count_wire_size(message.file, 0, info.size));
      const bool is_new = row->entry.size != info.size || row->entry.wire_size != wire;
      row->entry.size = static_cast<std::uint32_t>(info.size);
      row->entry.wire_size = static_cast<std::uint32_t>(wire);
      row->is_exact = true;
      if (const auto saved = index_.save_message(id, *row); !saved)
        log_.warn(event::store_index_failed, {{"error", saved.error().what}});
      state->counted.reset();
      if (is_new) change_of(*state, changes).resized.push_back(row->entry);
    }
    message.wire_size = row->entry.wire_size;
    return message;
  }
  return std::unexpected(std::move(last));
}

std::vector<std::optional<OpenMessage>> Engine::open_messages(std::int64_t id,
                                                              const std::vector<Uid>& uids,
                                                              Changes& changes) {
  std::vector<std::optional<OpenMessage>> opened;
  opened.reserve(uids.size());
  for (const Uid uid : uids) {
    auto one = open_message(id, uid, changes);
    if (one) {
      opened.push_back(*std::move(one));
    } else {
      log_unreadable(one.error());
      opened.emplace_back(OpenMessage{}).value().uid = uid;
    }
  }
  return opened;
}

Result<> Engine::load_sizes(std::int64_t id, const std::vector<Uid>& uids, Changes& changes) {
  TRY_OK(find(id));
  TRY(auto transaction, index_.begin());
  for (const Uid uid : uids) {
    TRY(const auto row, index_.message(id, uid));
    if (!row || row->entry.wire_size != 0) continue;
    // A file that cannot be read (mode 000) keeps its unknown size; the others get theirs.
    if (const auto opened = open_message(id, uid, changes); !opened) log_unreadable(opened.error());
  }
  return transaction.commit();
}

Result<std::vector<MessageRecord>> Engine::load_records(std::int64_t id,
                                                        const std::vector<Uid>& uids) {
  TRY_OK(find(id));
  return index_.records(id, uids);
}

Result<> Engine::keep_records(std::int64_t id, const std::vector<MessageRecord>& records) {
  TRY_OK(find(id));
  TRY(auto transaction, index_.begin());
  for (const MessageRecord& record : records) TRY_OK(index_.keep_record(id, record));
  return transaction.commit();
}

Result<std::vector<MessageRecord>> Engine::load_digests(std::int64_t id,
                                                        const std::vector<Uid>& uids) {
  TRY_OK(find(id));
  return index_.digests(id, uids);
}

Result<> Engine::keep_digests(std::int64_t id, const std::vector<MessageRecord>& digests) {
  TRY_OK(find(id));
  TRY(auto transaction, index_.begin());
  for (const MessageRecord& digest : digests) TRY_OK(index_.keep_digest(id, digest));
  return transaction.commit();
}

Result<Mailbox::Vanished> Engine::vanished_since(std::int64_t id, ModSeq modseq) {
  TRY(State * state, find(id));
  Mailbox::Vanished out;
  out.complete = modseq >= state->row.vanished_floor;
  TRY(out.uids, index_.vanished_since(id, modseq));
  return out;
}

}  // namespace posthorn::store
