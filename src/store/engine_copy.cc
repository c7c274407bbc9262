// COPY and MOVE: messages from one mailbox of an account into another.
#include <sys/stat.h>

#include "base/events.h"
#include "store/engine.h"
#include "store/line_ends.h"
#include "store/sharing.h"

namespace posthorn::store {

Result<> Engine::copy_file(const Path& from, const Path& to, std::int64_t internal_date) {
  const Path staged = options_.path / "tmp" / unique_.make(now());
  const auto copy = [&]() -> Result<> {
    TRY(const auto source, disk().open(from, OpenMode::read));
    TRY(const auto target, disk().open(staged, OpenMode::create));
    if (options_.store.unix_users) TRY_OK(share_file(target));
    std::string buffer(1U << 16U, '\0');
    for (std::uint64_t at = 0;;) {
      TRY(const std::size_t n, read_at(source, buffer, at));
      if (n == 0) break;
      TRY_OK(disk().write(target, std::string_view(buffer).substr(0, n)));
      at += n;
    }
    TRY_OK(disk().set_modified(staged, WallTime(std::chrono::seconds(internal_date))));
    TRY_OK(disk().sync(target));
    return disk().rename(staged, to);
  };
  auto done = copy();
  if (!done) (void)disk().remove(staged);
  return done;
}

// Puts source's file under copy's name into the other mailbox. false: the source is not there any
// more.
Result<bool> Engine::place_copy(State& from, const MessageRow& source, State& to, MessageRow& copy,
                                Transfer how) {
  const Path source_path = source.file.path_in(from.path);
  const Path target_path = copy.file.path_in(to.path);
  const Result<> done = how == Transfer::move ? disk().rename(source_path, target_path)
                                              : disk().link(source_path, target_path);
  if (done) return true;
  if (stamp_of(source_path) == Stamp{}) return false;
  // Too many links, or a file system that has none.
  if (how == Transfer::copy) {
    TRY_OK(copy_file(source_path, target_path, source.entry.internal_date));
    return true;
  }
  return std::unexpected(done.error());
}

Result<> Engine::make_name(const Entry& entry, State& to, Promise& promise) {
  TRY(promise.uid_there, take_uid(to, 0));
  promise.base_there =
      entry.wire_size != 0 ? unique_.make(now(), entry.size, entry.wire_size) : unique_.make(now());
  promise.base_there += uid_mark(to.row.uidvalidity, promise.uid_there);
  return {};
}

// Where keywords beyond z are among them, the names are made before the first file goes, and the
// marks for them are on disk: a file that a crash leaves in the other folder has its keywords
// there.
Result<std::vector<Engine::Promise>> Engine::promise_names(const State& from,
                                                           const std::vector<Uid>& uids, State& to,
                                                           Changes& changes) {
  std::vector<Promise> promises;
  const bool has_high = !to.promised_keywords.high().empty();
  std::string lines;  // for posthorn-keywords
  for (const Uid uid : uids) {
    Promise& promise = promises.emplace_back();
    promise.uid = uid;
    if (!has_high) continue;
    TRY(const auto row, index_.message(from.row.id, uid));
    if (!row) continue;
    TRY_OK(make_name(row->entry, to, promise));
    TRY(const auto keywords,
        keywords_of(to, keyword_names(from, row->entry.keywords), IfUnknown::pass_over, changes));
    if (keywords && !keywords->high().empty())
      append_high_mark(*keywords, promise.base_there, lines);
  }
  TRY_OK(append_high(to, lines));
  return promises;
}

// One message's file into the other mailbox, with the name that it has there. nullopt: it is gone.
Result<std::optional<MessageRow>> Engine::transfer_one(State& from, Promise promise, State& to,
                                                       Transfer how, Changes& changes) {
  int failures = 0;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    TRY(const auto row, locate(from, promise.uid, changes));
    if (!row) return std::nullopt;
    const Entry& entry = row->entry;
    TRY(auto keywords,
        keywords_of(to, keyword_names(from, entry.keywords), IfUnknown::add, changes));
    if (!keywords)
      return fail(ErrorKind::temporary, to.path.native() + ": no room for the message's keywords");
    MessageRow copy = *row;
    if (promise.uid_there == 0) TRY_OK(make_name(entry, to, promise));
    copy.entry.uid = promise.uid_there;
    copy.entry.keywords = *std::move(keywords);
    copy.file.base = promise.base_there;
    copy.file.info.clear();
    copy.file = location_with(copy.file, entry.flags, copy.entry.keywords);
    const auto placed = place_copy(from, *row, to, copy, how);
    if (placed && *placed) return copy;
    if (!placed && ++failures == kFailuresMax) return std::unexpected(placed.error());
  }
  return renamed_too_often(from.path);
}

std::vector<std::string> Engine::keyword_names(const State& state, const Keywords& keywords) {
  const auto names = state.row.keywords->names_of(keywords);
  return {names.begin(), names.end()};
}

// No keyword is lost on the way: the target learns them all before the first message goes. false:
// it has no room for them.
Result<bool> Engine::knows_keywords(State& from, const std::vector<Uid>& uids, State& to,
                                    Changes& changes) {
  to.promised_keywords = {};
  KeywordBits all;
  std::size_t numbers = 0;
  for (const Uid uid : uids) {
    TRY(const auto row, index_.message(from.row.id, uid));
    if (!row) continue;
    row->entry.keywords.add_to(all);
    numbers += row->entry.keywords.size();
  }
  if (numbers > 0) {
    TRY(const bool has_room, has_room_for_marks(to, uids.size(), numbers));
    if (!has_room) return false;
  }
  const auto names = keyword_names(from, Keywords::of(all));
  TRY(const auto keywords, keywords_of(to, names, IfUnknown::add, changes));
  to.promised_keywords = keywords.value_or(Keywords());
  return keywords.has_value();
}

// RFC 3501 section 6.4.7: COPY is all or nothing. RFC 6851 section 3.3: MOVE keeps what was moved.
Result<CopyResult> Engine::transfer(std::int64_t id, const std::vector<Uid>& uids,
                                    std::string_view target, Transfer how, Changes& changes) {
  CopyResult result;
  TRY(State * to, find(target, changes));
  if (to == nullptr) {
    result.result = NameResult::not_found;
    return result;
  }
  TRY_OK(sync(*to, RefreshMode::quick, changes));
  TRY(State * from, find(id));
  result.uidvalidity = to->row.uidvalidity;
  TRY(const bool has_room, knows_keywords(*from, uids, *to, changes));
  if (!has_room) {
    result.result = NameResult::keyword_limit;
    return result;
  }
  TRY_OK(lease_modseq(*from));
  TRY_OK(lease_modseq(*to));
  const Uid uidnext_before = to->row.uidnext;
  TRY_OK(prepare_uids(*to));

  Passage passage{*from, *to, how, OwnChange(*from), OwnChange(*to), {}};
  const auto undo = [&] {
    to->row.uidnext = uidnext_before;  // none was told
    if (how == Transfer::copy)
      for (const auto& [uid, copy] : passage.copies)
        (void)disk().remove(copy.file.path_in(to->path));
  };
  Result<> failure = pass(passage, uids, changes);
  if (!failure && how == Transfer::copy) {
    undo();
    return std::unexpected(std::move(failure).error());
  }
  if (passage.copies.empty()) {
    to->row.uidnext = uidnext_before;
    if (!failure) return std::unexpected(std::move(failure).error());
    return result;
  }
  Result<> synced = disk().sync_folder(to->path / "cur");
  if (synced && how == Transfer::move && to != from) {
    synced = disk().sync_folder(from->path / "cur");
    if (synced) synced = disk().sync_folder(from->path / "new");
  }
  if (!synced && how == Transfer::copy) {
    undo();
    return std::unexpected(std::move(synced).error());
  }
  auto recorded = record(passage, result, changes);
  if (!recorded) {
    undo();  // what was moved is found at the next look, under the UID in its name
    from->row.in_new = to->row.in_new = {};
    return std::unexpected(std::move(recorded).error());
  }
  if (!synced) return std::unexpected(std::move(synced).error());
  return result;
}

// The files, one after the other; up to the first that cannot.
Result<> Engine::pass(Passage& passage, const std::vector<Uid>& uids, Changes& changes) {
  TRY(const auto promises, promise_names(passage.from, uids, passage.to, changes));
  for (const Promise& promise : promises) {
    TRY(auto copy, transfer_one(passage.from, promise, passage.to, passage.how, changes));
    if (copy) passage.copies.emplace_back(promise.uid, *std::move(copy));
  }
  return {};
}

// The rows of both mailboxes, and what their sessions are told.
Result<> Engine::record(const Passage& passage, CopyResult& result, Changes& changes) {
  auto& [from, to, how, own_from, own_to, copies] = passage;
  std::vector<MessageRow> rows;
  rows.reserve(copies.size());
  for (const auto& [uid, copy] : copies) rows.push_back(copy);
  TRY(auto transaction, index_.begin());
  TRY_OK(assign_uids(to, rows, Extent::some));
  MailboxChanges added;
  added.id = to.row.id;
  const ModSeq modseq = ++to.row.modseq;
  MailboxChanges removed;
  removed.id = from.row.id;
  // Fresh UIDs were given in the order of the rows, so the pairs still belong together.
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].entry.modseq = modseq;
    TRY_OK(index_.add_message(to.row.id, rows[i]));
    TRY_OK(index_.copy_record(from.row.id, copies[i].first, to.row.id, rows[i].entry.uid));
    TRY_OK(index_.copy_digest(from.row.id, copies[i].first, to.row.id, rows[i].entry.uid));
    added.added.push_back(rows[i].entry);
    result.uids.emplace_back(copies[i].first, rows[i].entry.uid);
    if (how == Transfer::move) TRY_OK(remove_row(from, copies[i].first, removed));
  }
  if (how == Transfer::move) {
    ++from.row.modseq;
    own_from.settle(from);
    TRY_OK(save(from));
  }
  if (&to != &from || how == Transfer::copy) own_to.settle(to);
  TRY_OK(finish(to, transaction));
  added.uidnext = to.row.uidnext;
  added.modseq = to.row.modseq;
  removed.uidnext = from.row.uidnext;
  removed.modseq = from.row.modseq;
  changes.push_back(std::move(added));
  if (how == Transfer::move) changes.push_back(std::move(removed));
  return {};
}

}  // namespace posthorn::store
