#include "store/engine.h"

#include <algorithm>
#include <fstream>
#include <sys/statvfs.h>

#include "base/events.h"
#include "base/metrics.h"
#include "store/mailbox_name.h"
#include "store/sharing.h"

namespace posthorn::store {
namespace {

constexpr auto kStaleTemporary = std::chrono::hours(36);
constexpr std::size_t kVanishedMax = 50'000;
constexpr std::uint64_t kRoomMin = 2U << 20U;
constexpr std::uint64_t kRoomAmple = 64U << 20U;
constexpr auto kRoomLook = std::chrono::milliseconds(100);
constexpr std::string_view kReserveName = "posthorn-reserve";
constexpr std::size_t kReserveSize = 16'384;
constexpr auto kVerifyOwnChanges = std::chrono::seconds(60);

// Bytes; all there is when it cannot be asked.
std::uint64_t free_room(const Path& path) {
  struct statvfs st{};
  if (::statvfs(path.c_str(), &st) != 0) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize;
}

std::string kernel_boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  in >> id;
  return id;
}

}  // namespace

Engine::OwnChange::OwnChange(const State& state)
    : in_new_(stamp_of(state.path / "new")), in_cur_(stamp_of(state.path / "cur")) {}

void Engine::OwnChange::settle(State& state) const {
  if (in_new_ != state.row.in_new || in_cur_ != state.row.in_cur) return;
  state.row.in_new = stamp_of(state.path / "new");
  state.row.in_cur = stamp_of(state.path / "cur");
  if (in_new_ == state.row.in_new && in_cur_ == state.row.in_cur) return;
  // Another program may have slipped in between the two looks, so look again some time.
  if (!state.verify_at) state.verify_at = std::chrono::steady_clock::now() + kVerifyOwnChanges;
}

ModSeq Engine::clock_modseq() const {
  return static_cast<ModSeq>(std::max<std::int64_t>(0, now().time_since_epoch().count()));
}

Engine::Engine(Options options) : options_(std::move(options)), unique_(options_.hostname) {
  if (options_.boot_id.empty()) options_.boot_id = kernel_boot_id();
}

Engine::~Engine() = default;

Path Engine::folder_path(std::string_view name) const {
  const auto odd = odd_folders_.find(name);
  if (odd != odd_folders_.end()) return options_.path / odd->second;
  const std::string folder = folder_of(name);
  return folder.empty() ? options_.path : options_.path / folder;
}

Result<> Engine::open() {
  for (const char* part : {"", "tmp", "new", "cur"}) {
    const Path path = *part == '\0' ? options_.path : options_.path / part;
    TRY_OK(make_folders(disk(), path));
    TRY(const auto info, find_file_info(path));
    // Debian's /var/mail/USER is an mbox file; nobody but its owner may say what becomes of it.
    if (info && info->is_regular())
      return fail(ErrorKind::temporary, path.native() +
                                            " is a file where the maildir belongs; if it "
                                            "is an mbox, put it aside and import it");
    if (!info || !info->is_folder())
      return fail(ErrorKind::temporary, path.native() + " is not a folder");
  }
  TRY_OK(read_odd_folders());
  TRY_OK(ensure_open());
  TRY_OK(clean_up());
  if (options_.store.unix_users) share_all();
  return {};
}

// A maildir that cannot be shared is served all the same.
void Engine::share(const Path& maildir) {
  if (!unix_user_) return;
  if (const auto shared = share_maildir(maildir, *unix_user_); !shared)
    log_.warn(event::store_share_failed, {{"error", shared.error().what}});
}

void Engine::share_all() {
  const auto user = find_unix_user(options_.account);
  if (!user) log_.warn(event::store_share_failed, {{"error", user.error().what}});
  unix_user_ = user.value_or(std::nullopt);
  if (!unix_user_) return;
  const auto names = mailbox_names();
  if (!names) log_.warn(event::store_share_failed, {{"error", names.error().what}});
  if (names)
    for (const std::string& name : *names) share(folder_path(name));
}

// What a crash left: files staged long ago, mailboxes that were being removed or made.
Result<> Engine::clean_up() {
  TRY(const auto staged, list_names(options_.path / "tmp"));
  for (const std::string& name : staged) {
    const Path path = options_.path / "tmp" / name;
    TRY(const auto info, find_file_info(path));
    if (info && info->is_regular() && now() - info->changed > kStaleTemporary)
      TRY_OK(disk().remove(path));
  }
  TRY(const auto folders, list_folders(options_.path));
  for (const std::string& name : folders)
    if (name.starts_with("..posthorn-")) remove_aside(options_.path / name);
  adopt_odd_folders(folders);
  return {};
}

// What a mailbox that was removed leaves lies aside; what cannot be removed is no reason to keep
// the account from its mail.
void Engine::remove_aside(const Path& aside) {
  const Planted planted = options_.store.unix_users ? Planted::possible : Planted::no;
  if (const auto removed = remove_tree(disk(), aside, planted); !removed)
    log_.warn(event::store_failed, {{"error", removed.error().what}});
}

// On a full disk the index lives in memory, so that mail can be read, marked and removed, which
// needs no room; a small reserve is kept for the uidlist's next lines.
void Engine::follow_room(const Path& file) {
  const SteadyTime now_steady = std::chrono::steady_clock::now();
  if (index_.is_in_transaction()) return;
  if (room_ >= kRoomAmple && now_steady - room_looked_ < kRoomLook) return;
  room_looked_ = now_steady;
  room_ = free_room(options_.path);
  const std::uint64_t room = room_;
  const bool was_in_memory = index_.is_in_memory();
  Result<> done;
  if (room < kRoomMin && !index_.is_in_memory()) {
    done = index_.to_memory(disk(), file);
    log_.warn(event::store_index_failed,
              {{"path", file.native()},
               {"reason", "the disk is nearly full: the index is kept in memory"}});
  } else if (room >= 2 * kRoomMin) {
    if (index_.is_in_memory()) done = index_.to_disk(disk(), file);
    const Path reserve = options_.path / kReserveName;
    if (done && stamp_of(reserve) == Stamp{})
      if (auto kept = disk().open(reserve, OpenMode::create))
        done = disk().write(*kept, std::string(kReserveSize, '\0'));
  }
  if (index_.is_in_memory() != was_in_memory) usage_told_at_ = -1;
  if (!done) log_.warn(event::store_index_failed, {{"error", done.error().what}});
}

// Once: a block or two for the lines that a full disk has no room for.
bool Engine::release_reserve() {
  const Path reserve = options_.path / kReserveName;
  // Not before the index has left the disk: it would take the room for itself.
  return index_.is_in_memory() && stamp_of(reserve) != Stamp{} &&
         disk().remove(reserve).has_value();
}

Result<> Engine::open_index(const Path& file) {
  auto opened = index_.open(disk(), file);
  if (opened || free_room(options_.path) >= kRoomMin) return opened;
  index_.close();
  return index_.open_in_memory();
}

Result<> Engine::ensure_open() {
  const Path file = options_.path / "posthorn.index";
  if (index_.is_open() && !index_.is_corrupt()) {
    follow_room(file);
    return {};
  }
  const bool was_corrupt = index_.is_open();
  index_.close();
  if (was_corrupt)
    for (const char* suffix : {"", "-wal", "-shm"}) TRY_OK(disk().remove(Path(file) += suffix));
  TRY_OK(open_index(file));
  follow_room(file);
  if (was_opened_ && !index_.is_new()) return {};
  if (was_opened_) metrics::count(metric::store_index_rebuilt);
  if (was_opened_) log_.warn(event::store_index_rebuilt, {{"path", file.native()}});
  TRY(const std::string boot_id, index_.meta("boot_id"));
  if (!was_opened_)
    is_same_boot_ = !boot_id.empty() && boot_id == options_.boot_id && !index_.was_stale();
  TRY_OK(index_.set_meta("boot_id", options_.boot_id));
  states_.clear();
  names_.clear();
  is_usage_whole_ = false;
  TRY(auto rows, index_.mailboxes());
  for (MailboxRow& row : rows) {
    State state;
    state.path = folder_path(row.name);
    // What slipped in beside our own changes before the end is found by one reading while it is in
    // use.
    state.verify_at = std::chrono::steady_clock::now() + kVerifyOwnChanges;
    names_[row.id] = row.name;
    state.row = std::move(row);
    state.saved_keywords = state.row.keywords;
    states_.emplace(state.row.name, std::move(state));
  }
  was_opened_ = true;
  return {};
}

Result<> Engine::close() {
  if (!was_opened_) return {};
  Result<> result = ensure_open();
  for (auto& [name, state] : states_) {
    if (!result) break;
    if (!state.is_checked) continue;
    if (const auto floor = index_.trim_vanished(state.row.id, kVanishedMax); floor && *floor > 0)
      state.row.vanished_floor = *floor;
    if (state.leased > state.row.uidnext || state.modseq_leased > state.row.modseq)
      result = lease(state, state.row.uidnext, state.row.modseq);
    if (result) result = save(state);
  }
  rest();
  return result;
}

Result<> Engine::save(State& state) {
  state.counted.reset();
  if (state.row.keywords != state.saved_keywords) TRY_OK(index_.save_keywords(state.row));
  TRY_OK(index_.save_mailbox(state.row));
  note_committed(state);
  return {};
}

// What a transaction may yet take back does not count.
void Engine::note_committed(State& state) const {
  if (!index_.is_in_transaction()) state.saved_keywords = state.row.keywords;
}

Result<> Engine::finish(State& state, Database::Transaction& transaction) {
  Result<> done = save(state);
  if (done) done = transaction.commit();
  if (done) note_committed(state);
  if (!done) state.row.in_new = state.row.in_cur = {};
  return done;
}

MailboxChanges& Engine::change_of(State& state, Changes& changes) const {
  MailboxChanges& change = changes.emplace_back();
  change.id = state.row.id;
  change.uidnext = state.row.uidnext;
  change.modseq = state.row.modseq;
  return change;
}

void Engine::forget(const std::string& name, Changes& changes) {
  const auto at = states_.find(name);
  if (at == states_.end()) return;
  change_of(at->second, changes).is_gone = true;
  names_.erase(at->second.row.id);
  if (auto removed = index_.remove_mailbox(at->second.row.id); !removed)
    log_.warn(event::store_index_failed, {{"error", removed.error().what}});
  states_.erase(at);
}

Result<Engine::State*> Engine::find(std::string_view name, Changes& changes) {
  TRY_OK(ensure_open());
  const auto at = states_.find(name);
  const Path path = folder_path(name);
  TRY(const auto info, find_file_info(path / "cur"));
  if (!info || !info->is_folder()) {
    // Another program removed it; or a folder that is no maildir (yet).
    TRY(const auto top, find_file_info(path));
    if (!top || !top->is_folder() || info) {
      if (at != states_.end()) forget(at->first, changes);
      return nullptr;
    }
    TRY(const auto marker, find_file_info(path / "maildirfolder"));
    if (name != "INBOX" && !marker && at == states_.end()) return nullptr;
  }
  for (const char* part : {"tmp", "new", "cur"}) {
    TRY(const auto there, find_file_info(path / part));
    if (there && !there->is_folder())
      return fail(ErrorKind::temporary, (path / part).native() + " is not a folder");
    if (!there) TRY_OK(make_folders(disk(), path / part));
  }
  if (at == states_.end()) return adopt(name, path, changes);
  return check(at->second, changes);
}

Result<Engine::State*> Engine::find(std::int64_t id) {
  TRY_OK(ensure_open());
  const auto name = names_.find(id);
  if (name == names_.end()) return fail(ErrorKind::permanent, "the mailbox is gone");
  State& state = states_.find(name->second)->second;
  return &state;
}

Result<Engine::State*> Engine::adopt(std::string_view name, const Path& path, Changes& changes) {
  State state;
  state.path = path;
  state.row.name = name;
  TRY(const auto text, read_uidlist(state));
  const auto list = text ? parse_uidlist(*text) : std::nullopt;
  if (list) {
    state.row.uidvalidity = list->uidvalidity;
    state.row.uidnext = list->next;
    state.row.guid = list->guid;
    state.leased = list->leased;
    state.modseq_leased = list->modseq;
    TRY_OK(raise_uidvalidity(list->uidvalidity));
    // A client may know mod-sequences of before: begin above all that were.
    state.row.modseq = std::max({ModSeq{1}, list->modseq, clock_modseq()});
  } else {
    if (text)
      log_.warn(event::store_uidvalidity_changed,
                {{"path", path.native()}, {"reason", "unreadable dovecot-uidlist"}});
    TRY(state.row.uidvalidity, make_uidvalidity());
  }
  state.row.vanished_floor = state.row.modseq;
  state.row.first_recent = 1;
  state.is_checked = true;
  TRY_OK(read_high_names(state));
  TRY_OK(read_keywords(state, nullptr));
  const std::string key(name);
  {
    TRY(auto transaction, index_.begin());
    TRY_OK(index_.add_mailbox(state.row));
    if (list) {
      // The messages that the uidlist names were seen before: only what is behind them can be
      // recent.
      state.row.first_recent = list->lines.empty() ? 1 : list->lines.back().uid + 1;
    }
    if (!list) TRY_OK(write_uidlist(state));
    state.row.uidlist = {};  // read it once more, with the files
    TRY_OK(index_.save_mailbox(state.row));
    TRY_OK(transaction.commit());
  }
  names_[state.row.id] = key;
  State& stored = states_.insert_or_assign(key, std::move(state)).first->second;
  Result<> synced = sync(stored, RefreshMode::full, changes);
  if (!synced) {
    Changes nothing;
    forget(key, nothing);
    return std::unexpected(std::move(synced).error());
  }
  if (list) ensure_guid(stored, *list);
  if (text)
    log_.info(event::store_adopted, {{"path", path.native()},
                                     {"uidvalidity", stored.row.uidvalidity},
                                     {"uidnext", stored.row.uidnext}});
  return &stored;
}

// The first look at a mailbox that the index knows: do index and uidlist agree on what was given
// out?
Result<Engine::State*> Engine::check(State& state, Changes& changes) {
  if (state.is_checked) return &state;
  TRY(const auto text, read_uidlist(state));
  const auto list = text ? parse_uidlist(*text) : std::nullopt;
  const bool is_lost = !list || list->uidvalidity < state.row.uidvalidity;
  if ((is_lost && !is_same_boot_) || (list && list->uidvalidity > state.row.uidvalidity)) {
    // Another program began anew; or, behind a power cut, neither the index nor the uidlist can say
    // how far UIDs were given out. Then only a new UIDVALIDITY is safe.
    const std::string key = state.row.name;
    const Path path = state.path;
    log_.warn(event::store_uidvalidity_changed,
              {{"path", path.native()},
               {"reason", is_lost ? "dovecot-uidlist lost" : "another program gave a new one"}});
    if (is_lost) TRY_OK(disk().remove(path / "dovecot-uidlist"));
    forget(key, changes);
    return adopt(key, path, changes);
  }
  state.accept_from = state.row.uidnext;
  if (is_lost) {
    // The index is exact and has all that stood in the file.
    state.leased = state.row.uidnext;
    TRY_OK(write_uidlist(state));
  } else {
    state.leased = list->leased;
    state.modseq_leased = list->modseq;
    state.listed_end = list->lines.empty() ? 1 : list->lines.back().uid + 1;
    if (!list->guid.empty()) state.row.guid = list->guid;
    // Mod-sequences up to M may have been told for what the index lost: begin above them, and let
    // every client that knows one of them ask for all flags anew. Without M (an older program's
    // file) nothing is known but that they grew slower than the clock.
    const ModSeq told = list->modseq != 0 ? list->modseq : clock_modseq();
    if (!is_same_boot_ && told > state.row.modseq) {
      state.row.modseq = told;
      state.row.vanished_floor = told;
      TRY_OK(index_.touch_messages(state.row.id, told));
    }
    if (list->leased > state.row.uidnext && !is_same_boot_) {
      log_.info(event::store_uids_skipped,
                {{"path", state.path.native()}, {"from", state.row.uidnext}, {"to", list->leased}});
      state.row.uidnext = list->leased;
    }
  }
  TRY_OK(read_high_names(state));
  if (!is_same_boot_) TRY_OK(restore_high_marks(state));  // the new rows get theirs at the look
  state.is_checked = true;
  if (!is_lost) ensure_guid(state, *list);
  TRY_OK(save(state));
  return &state;
}

}  // namespace posthorn::store
