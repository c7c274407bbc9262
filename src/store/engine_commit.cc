// Staged messages into mailboxes: the durable part of a delivery (see delivery.h for the order of
// the steps).
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <unordered_map>

#include "base/events.h"
#include "store/delivery.h"
#include "store/engine.h"
#include "store/mailbox_name.h"

namespace posthorn::store {

struct Engine::PlacedFile {
  CommitGroup* group = nullptr;
  CommitItem* item = nullptr;
  std::int64_t mailbox = 0;
  Path path;
  MessageRow row;
};

void Engine::undo(std::vector<PlacedFile>& placed, const CommitGroup& group) {
  std::erase_if(placed, [&](const PlacedFile& file) {
    if (file.group != &group) return false;
    if (const auto removed = disk().remove(file.path); !removed)
      log_.error(event::store_failed, {{"error", removed.error().what}});
    return true;
  });
}

// The mailbox of a target, made if it may be, and the keywords' numbers there.
Result<Engine::TargetPlace> Engine::find_place(const Target& target, Changes& changes) {
  TargetPlace place;
  const auto refused = [](NameResult result) { return TargetPlace{.result = result}; };
  const auto name = check_mailbox_name(target.mailbox);
  if (!name) return refused(NameResult::bad_name);
  TRY(place.state, find(*name, changes));
  if (place.state == nullptr && target.create) {
    TRY(const NameResult made, create(*name, SpecialUse::none, changes));
    if (made != NameResult::done && made != NameResult::exists) return refused(made);
    TRY_OK(subscribe(*name, Subscription::on));
    TRY(place.state, find(*name, changes));
  }
  if (place.state == nullptr) return refused(NameResult::not_found);
  TRY(auto keywords, keywords_of(*place.state, target.keywords, IfUnknown::add, changes));
  if (!keywords) return refused(NameResult::keyword_limit);
  if (const std::size_t high = keywords->high().size(); high > 0) {
    TRY(const bool has_room, has_room_for_marks(*place.state, 1, high));
    if (!has_room) return refused(NameResult::keyword_limit);
  }
  place.keywords = *std::move(keywords);
  return place;
}

// Names for each item of a group; on a failure nothing of it stays.
Result<> Engine::place_group(CommitGroup& group, std::vector<PlacedFile>& placed,
                             Changes& changes) {
  const auto refuse = [&](NameResult result) {
    for (CommitItem& item : group.items) item.placed.result = result;
    return Result<>{};
  };
  for (CommitItem& item : group.items) {
    TRY(auto place, find_place(*item.target, changes));
    if (place.result != NameResult::done && item.target->else_inbox) {
      const Target inbox{.mailbox = "INBOX",
                         .flags = item.target->flags,
                         .keywords = {},
                         .internal_date = item.target->internal_date};
      TRY(place, find_place(inbox, changes));
    }
    if (place.result != NameResult::done) return refuse(place.result);
    State* const state = place.state;
    item.placed.mailbox = state->row.name;
    item.placed.uidvalidity = state->row.uidvalidity;

    PlacedFile file{
        .group = &group, .item = &item, .mailbox = state->row.id, .path = {}, .row = {}};
    Entry& entry = file.row.entry;
    // Without a UID now (the uidlist is locked, or the disk full) the message is safe all the same;
    // it gets one at the next look.
    std::string mark;
    const auto uid = take_uid(*state, item.target->uid);
    entry.uid = uid.value_or(0);
    if (uid) mark = uid_mark(state->row.uidvalidity, *uid);
    if (!uid) log_.warn(event::store_index_failed, {{"error", uid.error().what}});
    entry.flags = item.target->flags & flag::all_imap;
    entry.keywords = place.keywords;
    entry.size = static_cast<std::uint32_t>(item.size);
    entry.wire_size = static_cast<std::uint32_t>(item.wire_size);
    entry.internal_date = std::chrono::duration_cast<std::chrono::seconds>(
                              item.target->internal_date.value_or(now()).time_since_epoch())
                              .count();
    file.row.is_exact = true;
    const std::string base = item.is_last ? item.base : unique_.make(now());
    file.row.file.base = fmt::format("{},S={},W={}{}", base, item.size, item.wire_size, mark);
    item.placed.file = file.row.file.base;
    if (entry.flags != 0 || !entry.keywords.empty()) {
      file.row.file.place = Place::in_cur;
      file.row.file.has_info = true;
      file.row.file.info = format_info({entry.flags, entry.keywords.letters()});
    }
    file.path = file.row.file.path_in(state->path);
    if (!entry.keywords.high().empty()) {
      std::string high;
      append_high_mark(entry.keywords, file.row.file.base, high);
      TRY_OK(append_high(*state, high));
    }
    if (item.is_last) {
      TRY_OK(disk().rename(item.staged, file.path));
    } else if (!disk().link(item.staged, file.path)) {
      TRY_OK(copy_file(item.staged, file.path, entry.internal_date));
    }
    placed.push_back(std::move(file));
  }
  return {};
}

// The mailboxes of all groups, with what others dropped there meanwhile, so that our own changes
// can be told apart.
std::map<std::int64_t, Engine::CommitMailbox> Engine::prepare_mailboxes(
    const std::vector<CommitGroup>& groups, Changes& changes) {
  std::map<std::int64_t, CommitMailbox> mailboxes;
  const auto warn = [&](const Result<>& done) {
    if (!done) log_.warn(event::store_index_failed, {{"error", done.error().what}});
  };
  for (const CommitGroup& group : groups) {
    for (const CommitItem& item : group.items) {
      const auto name = check_mailbox_name(item.target->mailbox);
      const auto found = name ? find(*name, changes) : Result<State*>(nullptr);
      if (!found || *found == nullptr || mailboxes.contains((*found)->row.id)) continue;
      State& state = **found;
      state.promised_keywords = {};
      // What could not be recorded before comes first: its UIDs are the lower ones.
      if (state.row.in_new == Stamp{}) warn(sync(state, RefreshMode::quick, changes));
      mailboxes.emplace(state.row.id, CommitMailbox{OwnChange(state), state.row.uidnext});
      warn(prepare_uids(state));
    }
  }
  return mailboxes;
}

void Engine::commit(std::vector<CommitGroup>& groups, Changes& changes) {
  std::map<std::int64_t, CommitMailbox> mailboxes = prepare_mailboxes(groups, changes);
  std::vector<PlacedFile> placed;
  for (CommitGroup& group : groups) {
    group.outcome = place_group(group, placed, changes);
    if (!group.outcome || group.items.front().placed.result != NameResult::done)
      undo(placed, group);
  }
  std::map<Path, Result<>> synced;
  for (std::size_t i = 0; i < placed.size();) {
    const Path folder = placed[i].path.parent_path();
    auto at = synced.find(folder);
    if (at == synced.end()) at = synced.emplace(folder, disk().sync_folder(folder)).first;
    if (at->second) {
      ++i;
      continue;
    }
    // Not known to be on disk: not acknowledged, and taken away so that the next attempt makes no
    // second one.
    CommitGroup& group = *placed[i].group;
    group.outcome = at->second;
    undo(placed, group);
    i = 0;
  }
  Result<> recorded;
  if (!placed.empty()) {
    for (auto& [id, mailbox] : mailboxes)
      if (const auto state = find(id)) mailbox.own.settle(**state);
    recorded = record(placed, changes);
  }
  std::set<std::int64_t> filled;
  if (recorded)
    for (const PlacedFile& file : placed) filled.insert(file.mailbox);
  // Where none was told its UID, the next one may have it.
  for (const auto& [id, mailbox] : mailboxes)
    if (const auto state = find(id); state && !filled.contains(id))
      (*state)->row.uidnext = mailbox.uidnext;
  if (recorded) return;
  // The messages are safe in their folders; the next look gives them their UIDs.
  log_.warn(event::store_index_failed, {{"error", recorded.error().what}});
  for (const PlacedFile& file : placed) {
    file.item->placed.uid = 0;
    if (const auto state = find(file.mailbox)) (*state)->row.in_new = (*state)->row.in_cur = {};
  }
}

// Gives UIDs and writes the rows, all in one transaction.
Result<> Engine::record(std::vector<PlacedFile>& placed, Changes& changes) {
  std::map<std::int64_t, std::vector<PlacedFile*>> by_mailbox;
  for (PlacedFile& file : placed) by_mailbox[file.mailbox].push_back(&file);
  Changes added;
  TRY(auto transaction, index_.begin());
  for (auto& [id, files] : by_mailbox) {
    TRY(State * state, find(id));
    std::vector<MessageRow> rows;
    for (const PlacedFile* file : files) rows.push_back(file->row);
    TRY_OK(lease_modseq(*state));
    TRY_OK(assign_uids(*state, rows, Extent::some));
    const ModSeq modseq = ++state->row.modseq;
    MailboxChanges change;
    change.id = id;
    std::unordered_map<std::string_view, Uid> uids;
    for (MessageRow& row : rows) {
      row.entry.modseq = modseq;
      TRY_OK(index_.add_message(id, row));
      change.added.push_back(row.entry);
      uids[row.file.base] = row.entry.uid;
    }
    for (PlacedFile* file : files) file->item->placed.uid = uids[file->row.file.base];
    TRY_OK(save(*state));
    change.uidnext = state->row.uidnext;
    change.modseq = state->row.modseq;
    added.push_back(std::move(change));
  }
  TRY_OK(transaction.commit());
  std::ranges::move(added, std::back_inserter(changes));
  return {};
}

}  // namespace posthorn::store
