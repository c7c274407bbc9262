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

#include "base/events.h"
#include "base/ids.h"
#include "store/engine.h"

namespace posthorn::store {
namespace {

constexpr Uid kLeaseBlock = 256;
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
Result<> Engine::write_uidlist(State& state) {
  if (state.row.guid.empty()) state.row.guid = random_hex(16);
  state.leased = std::max(state.leased, state.row.uidnext);
  std::string text = format_uidlist_header(state.row.uidvalidity, state.leased, state.row.guid);
  if (state.row.id != 0) {
    TRY(const auto names, index_.names(state.row.id));
    for (const auto& [uid, base] : names) append_uidlist_line(uid, base, text);
  }
  const Path path = state.path / kUidListName;
  TRY_OK(replace_file(disk(), path, text));
  state.row.uidlist = stamp_of(path);
  return {};
}

// Law 4: the end of the leased block is on disk before one of its UIDs is used. end may also be
// lower than before (closing in order), but never below uidnext.
Result<> Engine::lease(State& state, Uid end) {
  const Path path = state.path / kUidListName;
  const Stamp before = stamp_of(path);
  if (before != state.row.uidlist || before == Stamp{}) {
    // Not the file that we know: its header may have another form.
    TRY(const auto text, read_uidlist(state));
    const auto list = text ? parse_uidlist(*text) : std::nullopt;
    if (!list || list->uidvalidity != state.row.uidvalidity || !list->is_ours || list->is_torn) {
      state.leased = end;
      return write_uidlist(state);
    }
  }
  TRY(const auto file, disk().open(path, OpenMode::update));
  TRY_OK(disk().write_at(file, format_uidlist_lease(end),
                         uidlist_lease_offset(state.row.uidvalidity)));
  TRY_OK(disk().sync(file));
  state.leased = end;
  if (before == state.row.uidlist) state.row.uidlist = stamp_of(path);
  return {};
}

// Only values below all that this account has now: one that stood here before a removal would bring
// back UIDs that clients know for other messages.
Result<std::vector<bool>> Engine::take_uidvalidity(
    const std::vector<std::pair<std::string, std::uint32_t>>& wanted, Changes& changes) {
  std::vector<bool> taken;
  std::uint32_t lowest = 0xFFFF'FFFFU;
  for (const auto& [name, value] : wanted) {
    TRY_OK(create(name, changes));
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
    TRY_OK(
        replace_file(disk(), path / kUidListName, format_uidlist_header(value, 1, random_hex(16))));
    TRY(auto transaction, index_.begin());
    forget(name, changes);
    TRY_OK(transaction.commit());
    TRY_OK(adopt(name, path, changes));
  }
  return taken;
}

Result<> Engine::raise_uidnext(std::string_view name, Uid uidnext, Changes& changes) {
  TRY(State * state, find(name, changes));
  if (state == nullptr || state->row.uidnext >= uidnext || uidnext > 0xFFFF'0000U) return {};
  TRY(auto transaction, index_.begin());
  if (uidnext > state->leased) TRY_OK(lease(*state, uidnext + kLeaseBlock));
  state->row.uidnext = uidnext;
  state->accept_from = uidnext;
  TRY_OK(finish(*state, transaction));
  change_of(*state, changes);
  return {};
}

// Gives each row its UID: the one that the uidlist has for its file, else the next. Rows stand in
// the order in which new UIDs are to be given; afterwards they are sorted by UID.
Result<> Engine::assign_uids(State& state, std::vector<MessageRow>& rows) {
  if (rows.empty()) return {};
  UidListLock lock(disk(), state);
  TRY_OK(lock.take(options_.hostname));
  const Path path = state.path / kUidListName;
  std::string text;
  bool must_rewrite = false;
  std::unordered_map<std::string_view, Uid> listed;
  if (stamp_of(path) != state.row.uidlist || state.row.uidlist == Stamp{}) {
    TRY(auto read, read_uidlist(state));
    text = std::move(read).value_or("");
    const auto list = parse_uidlist(text);
    if (list && list->uidvalidity == state.row.uidvalidity) {
      for (const UidList::Line& line : list->lines) listed[line.base] = line.uid;
      // N counts only when another program wrote it: ours is the end of a block that is not used
      // up.
      if (list->leased != state.leased)
        state.row.uidnext = std::max(state.row.uidnext, list->leased);
      if (!list->lines.empty())
        state.row.uidnext = std::max(state.row.uidnext, list->lines.back().uid + 1);
      state.leased = list->leased;
      must_rewrite = list->is_torn || !list->is_ours;
      if (list->is_torn) log_.warn(event::store_uidlist_torn, {{"path", path.native()}});
    } else {
      must_rewrite = true;
    }
  }
  std::vector<MessageRow*> fresh;
  for (MessageRow& row : rows) {
    const auto at = listed.find(row.file.base);
    if (at != listed.end() && at->second >= state.accept_from) {
      row.entry.uid = at->second;
    } else {
      must_rewrite =
          must_rewrite || at != listed.end();  // it stands there with a UID that was used before
      fresh.push_back(&row);
    }
  }
  if (fresh.size() >= 0xFFFF'0000U - std::min<Uid>(state.row.uidnext, 0xFFFF'0000U))
    return fail(ErrorKind::permanent, state.path.native() + ": no UID is left");
  // A wish for a UID is heard only above all that were given out.
  Uid end = state.row.uidnext;
  for (MessageRow* row : fresh) {
    if (row->entry.uid < end || row->entry.uid >= 0xFFFF'0000U) row->entry.uid = end;
    end = row->entry.uid + 1;
  }
  if (!must_rewrite && end > state.leased) TRY_OK(lease(state, end + kLeaseBlock));
  std::string lines;
  for (MessageRow* row : fresh) {
    state.row.uidnext = row->entry.uid + 1;
    append_uidlist_line(row->entry.uid, row->file.base, lines);
  }
  std::ranges::sort(rows, {}, [](const MessageRow& row) { return row.entry.uid; });
  if (must_rewrite) {
    // The rows go into the index first: from there the file is written.
    state.leased = std::max(state.leased, end + kLeaseBlock);
    for (const MessageRow& row : rows) TRY_OK(index_.add_message(state.row.id, row));
    TRY_OK(write_uidlist(state));
  } else if (!lines.empty()) {
    TRY(const auto file, disk().open(path, OpenMode::append));
    TRY_OK(disk().write(file, lines));
    state.row.uidlist = stamp_of(path);
  } else {
    state.row.uidlist = stamp_of(path);
  }
  state.accept_from = state.row.uidnext;
  return {};
}

}  // namespace posthorn::store
