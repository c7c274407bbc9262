// The ids of mailboxes (RFC 8474 section 4). A mailbox's is the GUID that stands in its
// dovecot-uidlist, so it is the one that Dovecot gave, moves with a RENAME and is as durable as the
// UIDs; a mailbox that is made has a random one, for good.
#include <algorithm>

#include "base/events.h"
#include "store/engine.h"

namespace posthorn::store {
namespace {

constexpr char kIdMark = 'F';  // RFC 8474 section 8.1: better not a digit in front
constexpr auto kMissedFor = std::chrono::seconds(60);
constexpr std::size_t kMissedMax = 100;
constexpr std::size_t kHeaderMax = 256;  // of a uidlist

// RFC 8474 section 7.
bool is_guid(std::string_view text) {
  return !text.empty() && text.size() < 255 &&
         std::ranges::all_of(
             text,
             [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
             });
}

// Of a mailbox that was never opened, or not since the index was lost; empty: it has none.
std::string read_guid(Disk& disk, const Path& uidlist) {
  const auto file = disk.open(uidlist, OpenMode::read);
  if (!file) return {};
  std::string text(kHeaderMax, '\0');
  const auto read = read_at(*file, text, 0);
  text.resize(read.value_or(0));
  text.resize(std::min(text.find('\n') + 1, text.size()));
  const auto list = parse_uidlist(text);
  return list ? list->guid : std::string();
}

}  // namespace

std::string Engine::id_from(std::string_view guid) {
  return is_guid(guid) ? kIdMark + std::string(guid) : std::string();
}

// A folder that was copied has the GUID of the other one.
bool Engine::is_guid_taken(const State& state) const {
  return std::ranges::any_of(states_, [&](const auto& one) {
    const State& other = one.second;
    return other.row.id != state.row.id && other.row.guid == state.row.guid &&
           stamp_of(other.path / "cur") != Stamp{};
  });
}

void Engine::ensure_guid(State& state, const UidList& list) {
  if (is_guid(state.row.guid) && !is_guid_taken(state)) return;
  const auto written = write_new_guid(state, list);
  if (written) return;
  log_.warn(event::store_failed, {{"error", written.error().what}});
  state.row.guid.clear();
}

Result<std::optional<std::string>> Engine::mailbox_id(std::string_view name, Changes& changes) {
  const auto checked = check_mailbox_name(name);
  if (!checked) return std::nullopt;
  TRY(const State* state, find(*checked, changes));
  if (state == nullptr) return std::nullopt;
  return id_from(state->row.guid);
}

Result<std::optional<std::string>> Engine::find_by_id(std::string_view id, Changes& changes) {
  TRY_OK(ensure_open());
  if (!id.starts_with(kIdMark) || !is_guid(id.substr(1))) return std::nullopt;
  const std::string_view guid = id.substr(1);
  const auto is_it = [&](const std::string& name) -> Result<bool> {
    TRY(const State* state, find(name, changes));
    return state != nullptr && state->row.guid == guid;
  };
  const auto at =
      std::ranges::find_if(states_, [&](const auto& one) { return one.second.row.guid == guid; });
  if (at != states_.end()) {
    const std::string name = at->first;
    TRY(const bool is_found, is_it(name));
    if (is_found) return name;
  }
  // A script may ask for the same one for each message: all mailboxes are looked at now and then.
  const SteadyTime now_steady = std::chrono::steady_clock::now();
  if (now_steady - ids_missed_since_ > kMissedFor || ids_missed_.size() >= kMissedMax) {
    ids_missed_.clear();
    ids_missed_since_ = now_steady;
  }
  if (ids_missed_.contains(id)) return std::nullopt;
  TRY(const auto names, mailbox_names());
  for (const std::string& name : names) {
    if (states_.contains(name) || read_guid(disk(), folder_path(name) / "dovecot-uidlist") != guid)
      continue;
    TRY(const bool is_found, is_it(name));
    if (is_found) return name;
  }
  ids_missed_.emplace(id);
  return std::nullopt;
}

}  // namespace posthorn::store
