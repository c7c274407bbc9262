// Comparing a mailbox's folders with the index: what other programs dropped, renamed and removed,
// what a crash left.
#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

#include "base/events.h"
#include "store/engine.h"

namespace posthorn::store {
namespace {

constexpr int kScansMax = 5;
constexpr std::size_t kBaseMax = 200;  // longer ones leave no room for flags: they get a new name
constexpr auto kTick = std::chrono::milliseconds(50);

bool is_same_inode(const Path& a, const Path& b) {
  const Stamp one = stamp_of(a);
  const Stamp other = stamp_of(b);
  return one.inode != 0 && one.inode == other.inode;
}

bool is_recent_stamp(const Stamp& stamp) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return stamp.time >= (now - kTick).count();
}

// Was nothing renamed while the folders were read? A change within the clock's tick leaves the time
// of a folder as it is.
bool is_at_rest(const Path& maildir, const FolderScan& scan) {
  return stamp_of(maildir / "new") == scan.in_new && stamp_of(maildir / "cur") == scan.in_cur &&
         !is_recent_stamp(scan.in_new) && !is_recent_stamp(scan.in_cur);
}

}  // namespace

struct Engine::Difference {
  std::vector<MessageRow> renamed;  // with the new location
  std::vector<Uid> missing;         // ascending
  std::vector<const FolderFile*> added;
  bool is_whole = true;  // false: something moved meanwhile, look again soon
};

bool Engine::has_news(std::int64_t id) {
  const auto name = names_.find(id);
  if (name == names_.end()) return true;
  const State& state = states_.find(name->second)->second;
  if (state.verify_at && std::chrono::steady_clock::now() >= *state.verify_at) return true;
  return stamp_of(state.path / "new") != state.row.in_new ||
         stamp_of(state.path / "cur") != state.row.in_cur;
}

Result<> Engine::refresh(std::int64_t id, RefreshMode mode, Uid first_recent, Changes& changes) {
  TRY_OK(ensure_open());
  const auto known = names_.find(id);
  if (known == names_.end()) {
    changes.emplace_back().id = id;
    changes.back().is_gone = true;
    return {};
  }
  const std::string name = known->second;
  TRY(State * state, find(name, changes));
  if (state == nullptr || state->row.id != id) return {};
  TRY_OK(sync(*state, mode, changes));
  return claim(id, first_recent, changes);
}

Result<> Engine::sync(State& state, RefreshMode mode, Changes& changes) {
  const bool is_due = state.verify_at && std::chrono::steady_clock::now() >= *state.verify_at;
  if (mode == RefreshMode::quick && !is_due && state.row.in_new != Stamp{} &&
      stamp_of(state.path / "new") == state.row.in_new &&
      stamp_of(state.path / "cur") == state.row.in_cur)
    return {};
  TRY_OK(read_keywords(state, &changes));
  TRY(const auto rows, index_.rows_by_name(state.row.id));
  TRY(FolderScan found, scan(state));
  Difference difference = compare(found, rows);
  // A file that another program renames while the folder is read may be missed. Only what no scan
  // saw is gone: two of them with the folders at rest, else all that there are.
  std::vector<Uid> missing = difference.missing;
  for (int n = 1; !missing.empty() && n < kScansMax; ++n) {
    TRY(found, scan(state));
    difference = compare(found, rows);
    std::erase_if(missing,
                  [&](Uid uid) { return !std::ranges::binary_search(difference.missing, uid); });
    if (difference.missing == missing && is_at_rest(state.path, found)) break;
  }
  // What an earlier one saw lies there under a name that the next one will find.
  if (difference.missing != missing) difference.is_whole = false;
  difference.missing = std::move(missing);
  state.verify_at.reset();
  for (const std::string& path : found.junk) log_junk(path);
  state.row.in_new = found.in_new;
  state.row.in_cur = found.in_cur;
  auto taken = take_difference(state, difference, changes);
  if (!taken || !difference.is_whole) {
    state.row.in_new = {};
    state.row.in_cur = {};
  } else if (is_recent_stamp(found.in_new) || is_recent_stamp(found.in_cur)) {
    // A change within the same tick of the clock would leave the folder's time as it is.
    state.verify_at = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  }
  if (!taken)
    log_.warn(event::store_failed, {{"path", state.path.native()}, {"error", taken.error().what}});
  return taken;
}

Result<FolderScan> Engine::scan(State& state) {
  TRY(FolderScan found, scan_maildir(state.path));
  TRY_OK(resolve_duplicates(state, found));
  return found;
}

// One base name twice: seen twice while being renamed, a second link, or two messages of one name.
Result<> Engine::resolve_duplicates(State& state, FolderScan& found) {
  bool is_sorted = true;
  for (std::size_t i = 1; i < found.files.size(); ++i) {
    FolderFile& kept = found.files[i - 1];
    FolderFile& other = found.files[i];
    if (kept.base() != other.base()) continue;
    const Path kept_path = kept.location().path_in(state.path);
    const Path other_path = other.location().path_in(state.path);
    if (stamp_of(kept_path) == Stamp{}) {
      std::swap(kept, other);
      other.name.clear();
    } else if (stamp_of(other_path) == Stamp{}) {
      other.name.clear();
    } else if (is_same_inode(kept_path, other_path)) {
      TRY_OK(disk().remove(other_path));
      other.name.clear();
    } else {
      FileLocation to = other.location();
      to.base = unique_.make(now());
      TRY_OK(disk().rename(other_path, to.path_in(state.path)));
      other.name = to.path_in("").filename().native();
      other.base_size = to.base.size();
      is_sorted = false;
    }
    if (other.name.empty()) {
      found.files.erase(found.files.begin() + static_cast<std::ptrdiff_t>(i));
      --i;
    }
  }
  if (!is_sorted)
    std::ranges::sort(found.files, {}, [](const FolderFile& file) { return file.base(); });
  return {};
}

Engine::Difference Engine::compare(const FolderScan& found, const std::vector<MessageRow>& rows) {
  Difference out;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < found.files.size() || j < rows.size()) {
    int order = 0;
    if (i == found.files.size()) {
      order = 1;
    } else if (j == rows.size()) {
      order = -1;
    } else {
      order = found.files[i].base().compare(rows[j].file.base);
    }
    if (order < 0) {
      out.added.push_back(&found.files[i++]);
    } else if (order > 0) {
      out.missing.push_back(rows[j++].entry.uid);
    } else {
      const FolderFile& file = found.files[i++];
      const MessageRow& row = rows[j++];
      if (file.place != row.file.place || file.has_info != row.file.has_info ||
          file.info() != row.file.info) {
        out.renamed.push_back(row);
        out.renamed.back().file = file.location();
      }
    }
  }
  std::ranges::sort(out.missing);
  return out;
}

// Sizes and times of files that the index does not know, in the order in which they get UIDs.
Result<std::vector<MessageRow>> Engine::read_new_files(State& state, Difference& difference) {
  std::vector<MessageRow> rows;
  std::vector<std::pair<std::int64_t, std::size_t>> order;
  for (const FolderFile* file : difference.added) {
    MessageRow row;
    row.file = file->location();
    const Path path = row.file.path_in(state.path);
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0) {
      difference.is_whole = false;  // renamed or removed since it was listed
      continue;
    }
    if (!S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) > 0xFFFF'FFFFU / 2) continue;
    // A Unix user's program made it for that user alone: here it would only stand in the way.
    if (options_.store.unix_users && ::access(path.c_str(), R_OK) != 0) {
      log_junk(path.native());
      continue;
    }
    if (row.file.base.size() > kBaseMax) {
      row.file.base = unique_.make(now());
      TRY_OK(disk().rename(path, row.file.path_in(state.path)));
    }
    row.entry.size = static_cast<std::uint32_t>(st.st_size);
    // W= is believed for a start when S= tells the truth; it is counted before a byte is sent.
    const auto size = size_in_name(row.file.base, 'S');
    const auto wire = size_in_name(row.file.base, 'W');
    if (size == row.entry.size && wire && *wire >= *size && *wire <= 2 * *size)
      row.entry.wire_size = static_cast<std::uint32_t>(*wire);
    row.entry.internal_date = st.st_mtim.tv_sec;
    const Letters letters = parse_info(row.file.info);
    row.entry.flags = letters.flags;
    row.entry.keywords = Keywords::of_mask(letters.keywords);
    order.emplace_back(st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec, rows.size());
    rows.push_back(std::move(row));
  }
  TRY_OK(add_high_marks(state, rows));
  // By time; of one time, by name (they come sorted by name).
  std::ranges::sort(order);
  std::vector<MessageRow> sorted;
  sorted.reserve(rows.size());
  for (const auto& [time, at] : order) sorted.push_back(std::move(rows[at]));
  return sorted;
}

Result<> Engine::take_difference(State& state, Difference& difference, Changes& changes) {
  MailboxChanges change;
  change.id = state.row.id;
  const ModSeq modseq = state.row.modseq + 1;
  TRY(auto transaction, index_.begin());
  for (const Uid uid : difference.missing) {
    TRY_OK(index_.remove_message(state.row.id, uid));
    TRY_OK(index_.add_vanished(state.row.id, modseq, uid));
    change.expunged.emplace_back(uid, modseq);
  }
  for (MessageRow& row : difference.renamed) {
    const Letters letters = parse_info(row.file.info);
    const Keywords keywords =
        index_.intern(row.entry.keywords.high() | Keywords::of_mask(letters.keywords));
    if (letters.flags != row.entry.flags || keywords != row.entry.keywords) {
      row.entry.flags = letters.flags;
      row.entry.keywords = keywords;
      row.entry.modseq = modseq;
      change.changed.push_back(row.entry);
    }
    TRY_OK(index_.save_message(state.row.id, row));
  }
  TRY(auto rows, read_new_files(state, difference));
  if (!rows.empty()) {
    // Law 4: what has no durable UID is not shown. The rest is, and the next look tries again.
    const auto assigned = assign_uids(state, rows, Extent::all);
    if (!assigned) {
      if (!std::exchange(state.is_mail_held_back, true))
        log_.warn(event::store_failed,
                  {{"path", state.path.native()}, {"error", assigned.error().what}});
      rows.clear();
      difference.is_whole = false;
    } else {
      state.is_mail_held_back = false;
    }
    for (MessageRow& row : rows) {
      row.entry.modseq = modseq;
      TRY_OK(index_.add_message(state.row.id, row));
      change.added.push_back(row.entry);
    }
  }
  const bool is_changed =
      !change.expunged.empty() || !change.changed.empty() || !change.added.empty();
  if (is_changed) TRY_OK(lease_modseq(state));
  if (is_changed) state.row.modseq = modseq;
  if (!difference.is_whole) state.row.in_new = state.row.in_cur = {};
  TRY_OK(save(state));
  TRY_OK(transaction.commit());
  note_committed(state);
  change.uidnext = state.row.uidnext;
  change.modseq = state.row.modseq;
  if (is_changed) changes.push_back(std::move(change));
  return {};
}

void Engine::log_junk(const std::string& path) {
  constexpr std::size_t kLoggedMax = 1000;
  if (junk_logged_.size() < kLoggedMax && junk_logged_.insert(path).second)
    log_.warn(event::store_junk_ignored, {{"path", path}});
}

void Engine::log_unreadable(const Error& error) {
  constexpr std::size_t kLoggedMax = 1000;
  if (unreadable_logged_.size() < kLoggedMax && unreadable_logged_.insert(error.what).second)
    log_.error(event::store_failed, {{"error", error.what}});
}

Result<> Engine::claim(std::int64_t id, Uid first_recent, Changes& changes) {
  (void)changes;
  TRY(State * state, find(id));
  if (first_recent <= state->row.first_recent) return {};
  state->row.first_recent = std::min(first_recent, state->row.uidnext);
  TRY(const auto uids, index_.uids_in_new(id, state->row.first_recent));
  OwnChange own(*state);
  TRY(auto transaction, index_.begin());
  for (const Uid uid : uids) {
    TRY(auto row, index_.message(id, uid));
    if (!row) continue;
    const Path from = row->file.path_in(state->path);
    row->file.place = Place::in_cur;
    row->file.has_info = true;
    // Another program may have moved it meanwhile; then the next look tells.
    if (stamp_of(from) == Stamp{} || !disk().rename(from, row->file.path_in(state->path))) continue;
    TRY_OK(index_.save_message(id, *row));
  }
  own.settle(*state);
  return finish(*state, transaction);
}

}  // namespace posthorn::store
