// UIDVALIDITY and UIDs: how they are given out so that none is ever given twice (RFC 3501
// section 2.3.1.1).
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fmt/format.h>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>

#include "base/events.h"
#include "base/ids.h"
#include "store/engine.h"

namespace posthorn::store {
namespace {

constexpr Uid kLeaseBlock = 256;
constexpr Uid kUidMax = 0xFFFF'0000U;
constexpr ModSeq kModSeqBlock = 65'536;
constexpr ModSeq kModSeqMargin = 64;  // as many as one operation may use
constexpr std::string_view kUidListName = "dovecot-uidlist";
constexpr std::string_view kUidValidityName = "dovecot-uidvalidity";
constexpr auto kLockWait = std::chrono::seconds(5);
constexpr auto kLockStale = std::chrono::seconds(120);
constexpr auto kHalfLockStale = std::chrono::milliseconds(200);
constexpr std::uint64_t kUidListMax = 1U << 30U;

}  // namespace

// dovecot-uidlist.lock, as Dovecot makes it: the file exists while one program changes the uidlist.
// It holds "pid:host", so that one left by a dead process of this machine is taken away at once.
class Engine::UidListLock {
 public:
  UidListLock(Disk& disk, const State& state)
      : disk_(disk), path_(state.path / "dovecot-uidlist.lock") {}
  ~UidListLock() {
    if (is_held_) (void)disk_.remove(path_);
  }
  UidListLock(const UidListLock&) = delete;
  UidListLock& operator=(const UidListLock&) = delete;

  Result<> take(std::string_view hostname) {
    const auto deadline = std::chrono::steady_clock::now() + kLockWait;
    for (;;) {
      auto file = disk_.open(path_, OpenMode::create);
      if (file) {
        is_held_ = true;
        return disk_.write(*file, fmt::format("{}:{}", ::getpid(), hostname));
      }
      TRY(const auto info, find_file_info(path_));
      if (!info && std::chrono::steady_clock::now() >= deadline)
        return std::unexpected(std::move(file).error());
      TRY(const bool stale, !info ? Result<bool>(false) : is_stale(*info, hostname));
      if (stale) {
        TRY_OK(disk_.remove(path_));
        continue;
      }
      if (!info && ++failures_ > 3) return std::unexpected(std::move(file).error());
      if (std::chrono::steady_clock::now() >= deadline)
        return fail(ErrorKind::temporary, path_.native() + ": held by another program");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

 private:
  Result<bool> is_stale(const FileInfo& info, std::string_view hostname) const {
    const auto age = Clock::system().now() - info.changed;
    timespec up{};
    ::clock_gettime(CLOCK_BOOTTIME, &up);
    // Older than this start of the machine: whoever made it is no more, whoever has its pid now.
    if (age > kLockStale || age > std::chrono::seconds(up.tv_sec + 1)) return true;
    TRY(const auto text, read_file(path_, 4096));
    if (!text) return false;
    const std::size_t colon = text->find(':');
    // Dovecot's appear whole. One with half its text is ours, of a process that ended meanwhile.
    if (colon == std::string::npos) return age > kHalfLockStale;
    if (!hostname.starts_with(std::string_view(*text).substr(colon + 1))) return false;
    const long pid = std::strtol(text->c_str(), nullptr, 10);
    // Our own pid: left by an opening of before, for we hold no lock between two calls.
    return pid == ::getpid() ||
           (pid > 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH);
  }

  Disk& disk_;
  Path path_;
  bool is_held_ = false;
  int failures_ = 0;
};

Result<std::optional<std::string>> Engine::read_uidlist(const State& state) {
  return read_file(state.path / kUidListName, kUidListMax);
}

// The highest UIDVALIDITY that was given out in this account, as far as any trace tells.
Result<std::uint32_t> Engine::read_uidvalidity_floor() {
  std::uint32_t floor = 0;
  TRY(const auto text, read_file(options_.path / kUidValidityName, 64));
  if (text) floor = std::max(floor, parse_uidvalidity(*text).value_or(0));
  TRY(const auto names, list_names(options_.path));
  for (const std::string& name : names)
    if (name.starts_with("dovecot-uidvalidity."))
      floor =
          std::max(floor, parse_uidvalidity(name.substr(kUidValidityName.size() + 1)).value_or(0));
  for (const auto& [name, state] : states_) floor = std::max(floor, state.row.uidvalidity);
  return floor;
}

Result<> Engine::raise_uidvalidity(std::uint32_t value) {
  TRY(const std::uint32_t floor, read_uidvalidity_floor());
  TRY(const auto there, find_file_info(options_.path / kUidValidityName));
  if (value <= floor && there) return {};
  const std::string hex = format_uidvalidity(std::max(value, floor));
  TRY_OK(replace_file(disk(), options_.path / kUidValidityName, hex));
  const std::string marker = std::string(kUidValidityName) + "." + hex;
  TRY(const auto names, list_names(options_.path));
  if (std::ranges::find(names, marker) == names.end())
    TRY_OK(disk().open(options_.path / marker, OpenMode::create));
  for (const std::string& name : names)
    if (name.starts_with("dovecot-uidvalidity.") && name != marker &&
        parse_uidvalidity(name.substr(kUidValidityName.size() + 1)))
      TRY_OK(disk().remove(options_.path / name));
  return {};
}

// Strictly above every one of before, also when the clock went back.
Result<std::uint32_t> Engine::make_uidvalidity() {
  TRY(const std::uint32_t floor, read_uidvalidity_floor());
  if (floor == 0xFFFF'FFFFU) return fail(ErrorKind::permanent, "no UIDVALIDITY is left");
  const auto seconds = static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch()).count());
  const std::uint32_t value = std::max(seconds, floor + 1);
  TRY_OK(raise_uidvalidity(value));
  return value;
}

// The whole file anew, from the index.
Result<> Engine::write_uidlist(State& state, const UidNames& more) {
  if (state.row.guid.empty()) state.row.guid = random_hex(16);
  state.leased = std::max(state.leased, state.row.uidnext);
  state.modseq_leased = std::max(state.modseq_leased, state.row.modseq);
  std::string text = format_uidlist_header(state.row.uidvalidity, state.leased, state.row.guid,
                                           state.modseq_leased);
  UidNames names;
  if (state.row.id != 0) {
    TRY(names, index_.names(state.row.id));
  }
  if (!more.empty()) {
    std::unordered_set<std::string> bases;
    std::unordered_set<Uid> uids;
    for (const auto& [uid, base] : names) {
      bases.insert(base);
      uids.insert(uid);
    }
    for (const auto& [uid, base] : more)
      if (!bases.contains(base) && uids.insert(uid).second) names.emplace_back(uid, base);
    std::ranges::sort(names);
  }
  for (const auto& [uid, base] : names) append_uidlist_line(uid, base, text);
  const Uid end = names.empty() ? 1 : names.back().first + 1;
  const Path path = state.path / kUidListName;
  TRY_OK(replace_file(disk(), path, text));
  state.row.uidlist = stamp_of(path);
  state.listed_end = end;
  state.is_list_doubtful = false;
  return {};
}

// Law 4: the end of the leased block is on disk before one of its UIDs or mod-sequences is used.
// Both may also be lower than before (closing in order), but never below what is in use.
Result<> Engine::lease(State& state, Uid end, ModSeq modseq_end) {
  const Path path = state.path / kUidListName;
  const Stamp before = stamp_of(path);
  std::string guid = state.row.guid;
  if (before != state.row.uidlist || before == Stamp{} || state.is_list_doubtful) {
    // Not the file that we know: its header may have another form. What another program has put
    // into it is kept for the next look.
    TRY(const auto text, read_uidlist(state));
    const auto list = text ? parse_uidlist(*text) : std::nullopt;
    const bool is_same = list && list->uidvalidity == state.row.uidvalidity;
    if (!is_same || !list->is_ours || list->is_torn || list->guid.empty() ||
        state.is_list_doubtful) {
      UidNames more;
      if (is_same)
        for (const UidList::Line& line : list->lines) more.emplace_back(line.uid, line.base);
      state.leased = end;
      state.modseq_leased = modseq_end;
      TRY_OK(write_uidlist(state, more));
      if (is_same) state.row.uidlist = {};  // not read yet
      return {};
    }
    guid = list->guid;
  }
  TRY(const auto file, disk().open(path, OpenMode::update));
  const std::string header =
      format_uidlist_header(state.row.uidvalidity, end, guid, std::max<ModSeq>(1, modseq_end));
  auto written = disk().write_at(file, header, 0);
  if (written) written = disk().sync(file);
  state.is_list_doubtful = !written;
  if (!written) return written;
  state.leased = end;
  state.modseq_leased = modseq_end;
  if (before == state.row.uidlist) state.row.uidlist = stamp_of(path);
  return {};
}

// Another id of the mailbox (engine_ids.cc). What another program has put into the file stays.
Result<> Engine::write_new_guid(State& state, const UidList& list) {
  UidListLock lock(disk(), state);
  TRY_OK(lock.take(options_.hostname));
  UidNames more;
  for (const UidList::Line& line : list.lines) more.emplace_back(line.uid, line.base);
  state.row.guid.clear();
  TRY_OK(write_uidlist(state, more));
  state.row.uidlist = {};  // not read yet
  return save(state);
}

// Before a mod-sequence is used: the next few are leased, or it is an Error.
Result<> Engine::lease_modseq(State& state) {
  if (state.row.modseq + kModSeqMargin <= state.modseq_leased) return {};
  UidListLock lock(disk(), state);
  TRY_OK(lock.take(options_.hostname));
  return lease(state, std::max(state.leased, state.row.uidnext), state.row.modseq + kModSeqBlock);
}

// Only values below all that this account has now: one that stood here before a removal would bring
// back UIDs that clients know for other messages.
Result<std::vector<bool>> Engine::take_uidvalidity(
    const std::vector<std::pair<std::string, std::uint32_t>>& wanted, Changes& changes) {
  std::vector<bool> taken;
  std::uint32_t lowest = 0xFFFF'FFFFU;
  for (const auto& [name, value] : wanted) {
    TRY_OK(create(name, SpecialUse::none, changes));
  }
  TRY(const auto names, mailbox_names());
  for (const std::string& name : names) {
    TRY(const State* state, find(name, changes));
    if (state != nullptr) lowest = std::min(lowest, state->row.uidvalidity);
  }
  for (const auto& [name, value] : wanted) {
    TRY(State * state, find(name, changes));
    if (state != nullptr) TRY_OK(sync(*state, RefreshMode::quick, changes));
    const bool may_take =
        state != nullptr && state->row.uidnext == 1 && value != 0 && value < lowest;
    taken.push_back(may_take);
    if (!may_take) continue;
    const Path path = state->path;
    TRY_OK(replace_file(disk(), path / kUidListName,
                        format_uidlist_header(value, 1, state->row.guid)));
    TRY(auto transaction, index_.begin());
    forget(name, changes);
    TRY_OK(transaction.commit());
    TRY_OK(adopt(name, path, changes));
  }
  return taken;
}

Result<> Engine::raise_uidnext(std::string_view name, Uid uidnext, Changes& changes) {
  TRY(State * state, find(name, changes));
  if (state == nullptr || state->row.uidnext >= uidnext || uidnext > kUidMax) return {};
  TRY(auto transaction, index_.begin());
  if (uidnext > state->leased)
    TRY_OK(lease(*state, uidnext + kLeaseBlock,
                 std::max(state->modseq_leased, state->row.modseq + kModSeqBlock)));
  state->row.uidnext = uidnext;
  state->accept_from = uidnext;
  TRY_OK(finish(*state, transaction));
  change_of(*state, changes);
  return {};
}

// What stands in the uidlist, if another program changed it since we last looked.
struct Engine::ListedUids {
  ListedUids() = default;
  ListedUids(const ListedUids&) = delete;  // the names lie in text
  ListedUids& operator=(const ListedUids&) = delete;
  std::string text;
  std::unordered_map<std::string_view, Uid> by_base;
  std::unordered_set<Uid> taken;
  Uid end = 1;  // behind all that known files have
  bool must_rewrite = false;
};

Result<> Engine::reread_uidlist(State& state, ListedUids& listed) {
  const Path path = state.path / kUidListName;
  listed.must_rewrite = state.is_list_doubtful;
  if (stamp_of(path) == state.row.uidlist && state.row.uidlist != Stamp{}) return {};
  TRY(auto read, read_uidlist(state));
  listed.text = std::move(read).value_or("");
  const auto list = parse_uidlist(listed.text);
  if (!list || list->uidvalidity != state.row.uidvalidity) {
    listed.must_rewrite = true;
    return {};
  }
  for (const UidList::Line& line : list->lines) {
    listed.by_base[line.base] = line.uid;
    listed.taken.insert(line.uid);
  }
  // N counts only when another program wrote it: ours is the end of a block that is not used up.
  if (list->leased != state.leased && !state.is_list_doubtful)
    state.row.uidnext = std::max(state.row.uidnext, list->leased);
  state.listed_end = list->lines.empty() ? 1 : list->lines.back().uid + 1;
  state.row.uidnext = std::max(state.row.uidnext, state.listed_end);
  state.leased = list->leased;
  state.modseq_leased = list->modseq;
  listed.must_rewrite = listed.must_rewrite || list->is_torn || !list->is_ours;
  if (list->is_torn) log_.warn(event::store_uidlist_torn, {{"path", path.native()}});
  return {};
}

// Before take_uid(): behind what other programs have given out meanwhile.
Result<> Engine::prepare_uids(State& state) {
  ListedUids listed;
  return reread_uidlist(state, listed);
}

// The next UID for a name that is to be made, or the wish if it is above all that were given out.
// No other program gives out one of a leased block, so no lock is needed.
Result<Uid> Engine::take_uid(State& state, Uid wish) {
  if (state.row.uidnext >= kUidMax)
    return fail(ErrorKind::permanent, state.path.native() + ": no UID is left");
  const Uid uid = wish > state.row.uidnext && wish < kUidMax ? wish : state.row.uidnext;
  if (uid + 1 > state.leased) {
    UidListLock lock(disk(), state);
    TRY_OK(lock.take(options_.hostname));
    TRY_OK(lease(state, uid + 1 + kLeaseBlock,
                 std::max(state.modseq_leased, state.row.modseq + kModSeqBlock)));
  }
  state.row.uidnext = uid + 1;
  return uid;
}

// The UID that the uidlist has for a row's file, else the one in its name; the rows without one are
// fresh, and are given back.
std::vector<MessageRow*> Engine::take_known_uids(const State& state, ListedUids& listed,
                                                 std::vector<MessageRow>& rows) {
  std::unordered_set<Uid> taken;
  std::vector<MessageRow*> unlisted;
  std::vector<MessageRow*> fresh;
  for (MessageRow& row : rows) {
    const auto at = listed.by_base.find(row.file.base);
    // Below accept_from it stands there with a UID that was used before.
    const bool is_used = at != listed.by_base.end() && at->second < state.accept_from;
    listed.must_rewrite = listed.must_rewrite || is_used;
    if (at != listed.by_base.end() && at->second >= state.accept_from) {
      row.entry.uid = at->second;
      taken.insert(at->second);
      listed.end = std::max(listed.end, at->second + 1);
    } else {
      unlisted.push_back(&row);
    }
  }
  for (MessageRow* row : unlisted) {
    // A name may come from anywhere (a copy, a backup): only what was leased was ever given out.
    const auto uid = uid_in_name(row->file.base, state.row.uidvalidity);
    if (uid && *uid >= state.accept_from && *uid < state.leased && !listed.taken.contains(*uid) &&
        taken.insert(*uid).second) {
      row->entry.uid = *uid;
      listed.end = std::max(listed.end, *uid + 1);
      // A line that was lost, and not the last one.
      listed.must_rewrite = listed.must_rewrite || *uid < state.listed_end;
    } else {
      fresh.push_back(row);
    }
  }
  return fresh;
}

// Gives each row its UID: the one that the uidlist or the file's name has, else the next. Rows
// stand in the order in which new UIDs are to be given; afterwards they are sorted by UID. When it
// is done each UID is on disk beside the name of its file: none is lost by a power cut, so it may
// be told.
Result<> Engine::assign_uids(State& state, std::vector<MessageRow>& rows, Extent extent) {
  if (rows.empty()) return {};
  const Uid before = state.row.uidnext;
  auto given = give_uids(state, rows, extent);
  if (!given && release_reserve()) {
    state.row.uidnext = before;
    given = give_uids(state, rows, extent);
  }
  if (!given) state.row.uidnext = before;
  return given;
}

Result<> Engine::give_uids(State& state, std::vector<MessageRow>& rows, Extent extent) {
  UidListLock lock(disk(), state);
  TRY_OK(lock.take(options_.hostname));
  ListedUids listed;
  TRY_OK(reread_uidlist(state, listed));
  const std::vector<MessageRow*> fresh = take_known_uids(state, listed, rows);
  Uid end = std::max(state.row.uidnext, listed.end);
  if (fresh.size() >= kUidMax - std::min(end, kUidMax))
    return fail(ErrorKind::permanent, state.path.native() + ": no UID is left");
  // A wish for a UID is heard only above all that were given out.
  for (MessageRow* row : fresh) {
    if (row->entry.uid < end || row->entry.uid >= kUidMax) row->entry.uid = end;
    end = row->entry.uid + 1;
  }
  const ModSeq modseq_end = std::max(state.modseq_leased, state.row.modseq + kModSeqBlock);
  if (!listed.must_rewrite && end > state.leased)
    TRY_OK(lease(state, end + kLeaseBlock, modseq_end));
  std::ranges::sort(rows, {}, [](const MessageRow& row) { return row.entry.uid; });
  state.row.uidnext = end;
  if (listed.must_rewrite) {
    state.leased = std::max(state.leased, end + kLeaseBlock);
    state.modseq_leased = modseq_end;
    UidNames more;
    for (const MessageRow& row : rows) more.emplace_back(row.entry.uid, row.file.base);
    for (const auto& [base, uid] : listed.by_base)
      if (extent == Extent::some && uid >= state.accept_from) more.emplace_back(uid, base);
    TRY_OK(write_uidlist(state, more));
  } else {
    TRY_OK(append_uids(state, rows, listed));
  }
  state.accept_from = state.row.uidnext;
  return {};
}

// The lines that are missing, and a sync if a UID stands in no name. A line that was there may be
// that of a process which died before its sync.
Result<> Engine::append_uids(State& state, const std::vector<MessageRow>& rows,
                             const ListedUids& listed) {
  std::string lines;
  bool must_sync = false;
  for (const MessageRow& row : rows) {
    if (!listed.by_base.contains(row.file.base))
      append_uidlist_line(row.entry.uid, row.file.base, lines);
    must_sync = must_sync || uid_in_name(row.file.base, state.row.uidvalidity) != row.entry.uid;
  }
  const Path path = state.path / kUidListName;
  if (!lines.empty() || must_sync) {
    auto opened = disk().open(path, OpenMode::append);
    Result<> done;
    if (!opened) done = std::unexpected(opened.error());
    const File file = std::move(opened).value_or(File());
    if (done && !lines.empty()) done = disk().write(file, lines);
    if (done && must_sync) done = disk().sync(file);
    if (!done) {
      state.is_list_doubtful = true;
      // A UID that stands in its file's name needs no line.
      return must_sync ? done : Result<>{};
    }
  }
  state.row.uidlist = stamp_of(path);
  if (!lines.empty()) state.listed_end = rows.back().entry.uid + 1;
  return {};
}

}  // namespace posthorn::store
