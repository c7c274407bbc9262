// Mailboxes by name: list, create, remove, rename, subscriptions, status.
#include <algorithm>
#include <unicode/unistr.h>

#include "base/events.h"
#include "base/ids.h"
#include "store/engine.h"
#include "store/mailbox_name.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kSizesToCountMax = 2000;

icu::UnicodeString folded(std::string_view name) {
  return icu::UnicodeString::fromUTF8(
             icu::StringPiece(name.data(), static_cast<std::int32_t>(name.size())))
      .foldCase();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

Result<> Engine::read_odd_folders() {
  TRY(const auto text, read_file(options_.path / kOddFoldersFile, 16U << 20U));
  odd_folders_ = parse_odd_folders(text.value_or(""));
  return {};
}

// Names for the folders that have none of their own. A folder whose name could not be made to last
// (a full disk) is not listed yet.
void Engine::adopt_odd_folders(const std::vector<std::string>& folders) {
  std::set<std::string_view> known;
  for (const auto& [name, folder] : odd_folders_) known.insert(folder);
  const auto is_there = [&](std::string_view name) {
    return std::ranges::binary_search(folders, folder_of(name));
  };
  OddFolders all = odd_folders_;
  for (const std::string& folder : folders) {
    if (known.contains(folder)) continue;
    const auto plain = name_of_folder(folder);
    if (plain && !all.contains(*plain)) continue;
    if (stamp_of(options_.path / folder / "cur") == Stamp{}) continue;
    const auto name = readable_name(
        folder, [&](std::string_view wanted) { return all.contains(wanted) || is_there(wanted); });
    if (name) all.emplace(*name, folder);
  }
  if (all.size() == odd_folders_.size()) return;
  const auto saved = replace_file(disk(), options_.path / kOddFoldersFile, format_odd_folders(all));
  if (!saved) {
    log_.warn(event::store_failed, {{"error", saved.error().what}});
    return;
  }
  for (const auto& [name, folder] : all)
    if (!odd_folders_.contains(name))
      log_.warn(event::store_adopted, {{"path", (options_.path / folder).native()},
                                       {"mailbox", name},
                                       {"reason", "the folder's own name is none of IMAP's"}});
  odd_folders_ = std::move(all);
}

// The mailbox of an odd folder is gone or has a plain folder now.
Result<> Engine::drop_odd_folder(std::string_view name) {
  const auto at = odd_folders_.find(name);
  if (at == odd_folders_.end()) return {};
  odd_folders_.erase(at);
  return replace_file(disk(), options_.path / kOddFoldersFile, format_odd_folders(odd_folders_));
}

// All mailboxes, sorted, INBOX first.
Result<std::vector<std::string>> Engine::mailbox_names() {
  TRY(const auto folders, list_folders(options_.path));
  adopt_odd_folders(folders);
  std::map<std::string_view, std::string_view> odd;
  for (const auto& [name, folder] : odd_folders_) odd.emplace(folder, name);
  std::vector<std::string> names;
  for (const std::string& folder : folders) {
    const auto at = odd.find(folder);
    auto name = at != odd.end() ? std::string(at->second) : name_of_folder(folder);
    if (!name || (at == odd.end() && odd_folders_.contains(*name))) continue;
    TRY(const auto cur, find_file_info(options_.path / folder / "cur"));
    if (!cur) {
      TRY(const auto marker, find_file_info(options_.path / folder / "maildirfolder"));
      if (!marker) continue;
    }
    if (!cur || cur->is_folder()) names.push_back(*std::move(name));
  }
  std::ranges::sort(names);
  names.insert(names.begin(), "INBOX");
  return names;
}

bool Engine::has_mailbox(std::string_view checked_name) const {
  return stamp_of(folder_path(checked_name) / "cur") != Stamp{};
}

Result<Subscriptions> Engine::read_subscriptions() {
  TRY(const auto text, read_file(options_.path / "subscriptions"));
  return text ? parse_subscriptions(*text) : Subscriptions{};
}

Result<std::vector<MailboxInfo>> Engine::list() {
  TRY_OK(ensure_open());
  TRY(const auto names, mailbox_names());
  TRY(const Subscriptions subscriptions, read_subscriptions());
  TRY_OK(note_annotations(names));
  std::map<std::string, MailboxInfo> all;
  for (const std::string& name : names) {
    MailboxInfo& info = all[name];
    info.name = name;
    info.use = use_of(name);
  }
  const auto add_missing = [&](std::string_view name) -> MailboxInfo& {
    auto [at, is_new] = all.try_emplace(std::string(name));
    if (is_new) {
      at->second.name = name;
      at->second.is_selectable = false;
    }
    return at->second;
  };
  for (const std::string& name : subscriptions.names) add_missing(name).is_subscribed = true;
  for (const std::string& name : names)
    for (std::string_view above = parent_of(name); !above.empty(); above = parent_of(above))
      add_missing(above).has_children = true;
  std::vector<MailboxInfo> out;
  out.push_back(all["INBOX"]);
  for (auto& [name, info] : all)
    if (name != "INBOX") out.push_back(std::move(info));
  return out;
}

Result<NameResult> Engine::make_mailbox(std::string_view name, SpecialUse use, Changes& changes) {
  TRY_OK(drop_odd_folder(name));
  const Path path = folder_path(name);
  TRY(const auto in_the_way, find_file_info(path));
  if (in_the_way && !in_the_way->is_folder()) return NameResult::cannot;
  TRY_OK(disk().make_folder(path));
  // What an earlier attempt left there is none of this mailbox's.
  const Annotations annotations =
      use == SpecialUse::none
          ? Annotations{}
          : Annotations{{std::string(kSpecialUseEntry), std::string(to_string(use))}};
  TRY_OK(write_annotations(annotations_path(name), format_annotations(annotations)));
  // cur/ comes last: without it the folder is no mailbox yet.
  for (const char* part : {"tmp", "new", "cur"}) TRY_OK(disk().make_folder(path / part));
  share(path);
  TRY(const auto marker, find_file_info(path / "maildirfolder"));
  if (!marker) TRY_OK(disk().open(path / "maildirfolder", OpenMode::append));
  TRY_OK(disk().sync_folder(path));
  TRY_OK(disk().sync_folder(options_.path));
  TRY(const State* state, find(name, changes));
  if (state == nullptr)
    return fail(ErrorKind::temporary, path.native() + ": vanished while it was made");
  note(name, special_use_in(annotations));
  log_.info(event::store_mailbox_created, {{"path", path.native()}});
  return NameResult::done;
}

Result<NameResult> Engine::create(std::string_view name, SpecialUse use, Changes& changes) {
  // RFC 3501 section 6.3.3: a separator at the end only announces names below.
  if (name.size() > 1 && name.back() == kSeparator) name.remove_suffix(1);
  const auto checked = check_mailbox_name(name);
  if (!checked) return NameResult::bad_name;
  TRY(const State* there, find(*checked, changes));
  if (there != nullptr) return NameResult::exists;
  TRY(const bool is_given, is_use_given(use, *checked));
  if (is_given) return NameResult::use_taken;
  for (std::size_t dot = checked->find(kSeparator); dot != std::string::npos;
       dot = checked->find(kSeparator, dot + 1)) {
    const std::string above = checked->substr(0, dot);
    TRY(const State* level, find(above, changes));
    if (level != nullptr) continue;
    TRY(const NameResult made, make_mailbox(above, SpecialUse::none, changes));
    if (made != NameResult::done) return made;
  }
  return make_mailbox(*checked, use, changes);
}

Result<NameResult> Engine::remove(std::string_view name, Changes& changes) {
  const auto checked = check_mailbox_name(name);
  if (!checked) return NameResult::bad_name;
  if (*checked == "INBOX") return NameResult::cannot;
  TRY(const State* state, find(*checked, changes));
  if (state == nullptr) return NameResult::not_found;
  const Path path = state->path;
  const Path aside = options_.path / ("..posthorn-removed-" + random_hex(8));
  TRY_OK(disk().rename(path, aside));
  TRY_OK(disk().sync_folder(options_.path));
  TRY(auto transaction, index_.begin());
  forget(*checked, changes);
  TRY_OK(transaction.commit());
  noted_.erase(*checked);
  if (const auto dropped = drop_odd_folder(*checked); !dropped)
    log_.warn(event::store_failed, {{"error", dropped.error().what}});
  log_.info(event::store_mailbox_removed, {{"path", path.native()}});
  remove_aside(aside);
  return NameResult::done;
}

// RFC 3501 section 6.3.5: renaming INBOX moves its messages; INBOX and what is below it stay.
// RFC 5464 section 4.1: INBOX's annotations are copied.
Result<NameResult> Engine::rename_inbox(std::string_view to, Changes& changes) {
  TRY(const NameResult made, create(to, SpecialUse::none, changes));
  if (made != NameResult::done) return made;
  TRY(const auto annotations, read_annotations("INBOX", changes));
  std::vector<AnnotationChange> copied;
  for (const auto& [entry, value] : annotations.value_or(Annotations{}))
    if (entry != kSpecialUseEntry) copied.push_back({entry, value});
  if (!copied.empty()) TRY_OK(annotate(to, copied, changes));
  TRY(State * inbox, find("INBOX", changes));
  TRY_OK(sync(*inbox, RefreshMode::quick, changes));
  TRY(const auto entries, index_.entries(inbox->row.id));
  std::vector<Uid> uids;
  for (const Entry& entry : entries) uids.push_back(entry.uid);
  TRY_OK(transfer(inbox->row.id, uids, to, Transfer::move, changes));
  return NameResult::done;
}

Result<NameResult> Engine::rename(std::string_view from, std::string_view to, Changes& changes) {
  TRY_OK(ensure_open());
  const auto old_name = check_mailbox_name(from);
  const auto new_name = check_mailbox_name(to);
  if (!old_name || !new_name) return NameResult::bad_name;
  TRY(const auto names, mailbox_names());
  std::vector<std::string> moved;
  for (const std::string& name : names)
    if (name == *old_name || is_below(name, *old_name)) moved.push_back(name);
  if (moved.empty()) return NameResult::not_found;
  if (std::ranges::find(names, *new_name) != names.end()) return NameResult::exists;
  if (*old_name == "INBOX") return rename_inbox(*new_name, changes);
  if (is_below(*new_name, *old_name)) return NameResult::cannot;
  std::vector<std::string> targets;
  for (const std::string& name : moved) {
    const auto target = check_mailbox_name(*new_name + name.substr(old_name->size()));
    if (!target) return NameResult::bad_name;
    if (std::ranges::find(names, *target) != names.end()) return NameResult::exists;
    targets.push_back(*target);
  }
  if (const std::string above(parent_of(*new_name)); !above.empty()) {
    TRY(const State* level, find(above, changes));
    if (level == nullptr) {
      TRY(const NameResult made, create(above, SpecialUse::none, changes));
      if (made != NameResult::done) return made;
    }
  }
  TRY(auto transaction, index_.begin());
  for (std::size_t i = 0; i < moved.size(); ++i) {
    TRY_OK(drop_odd_folder(targets[i]));
    TRY_OK(disk().rename(folder_path(moved[i]), folder_path(targets[i])));
    TRY_OK(drop_odd_folder(moved[i]));
    if (auto noted = noted_.extract(moved[i])) {
      noted.key() = targets[i];
      noted_.insert(std::move(noted));
    }
    auto node = states_.extract(moved[i]);
    if (node.empty()) continue;  // never opened: its uidlist goes with it
    State& state = node.mapped();
    state.row.name = targets[i];
    state.path = folder_path(targets[i]);
    names_[state.row.id] = targets[i];
    change_of(state, changes).renamed = targets[i];
    node.key() = targets[i];
    State& stored = states_.insert(std::move(node)).position->second;
    TRY_OK(save(stored));
  }
  TRY_OK(transaction.commit());
  TRY_OK(disk().sync_folder(options_.path));
  log_.info(event::store_mailbox_renamed,
            {{"path", options_.path.native()}, {"from", *old_name}, {"to", *new_name}});
  return NameResult::done;
}

Result<> Engine::subscribe(std::string_view name, Subscription wanted) {
  TRY(Subscriptions subscriptions, read_subscriptions());
  const auto at = std::ranges::find(subscriptions.names, name);
  if ((at != subscriptions.names.end()) == (wanted == Subscription::on)) return {};
  if (wanted == Subscription::on) {
    subscriptions.names.emplace_back(name);
  } else {
    subscriptions.names.erase(at);
  }
  return replace_file(disk(), options_.path / "subscriptions", format_subscriptions(subscriptions));
}

Result<std::optional<std::string>> Engine::find_nocase(std::string_view name) {
  TRY(const auto names, mailbox_names());
  const icu::UnicodeString wanted = folded(name);
  for (const std::string& candidate : names)
    if (candidate == name) return candidate;
  for (const std::string& candidate : names)
    if (folded(candidate) == wanted) return candidate;
  return std::nullopt;
}

Result<> Engine::ensure_defaults(Changes& changes) {
  const config::Store& store = options_.store;
  std::vector<std::string> wanted = {store.drafts, store.sent, store.trash, store.junk,
                                     store.archive};
  wanted.insert(wanted.end(), store.also_create.begin(), store.also_create.end());
  // What was made once stands here, so that it stays removed when the user removes it.
  const Path marker = options_.path / "posthorn-defaults";
  TRY(const auto text, read_file(marker, 1U << 20U));
  std::vector<std::string> made = lines_of(text.value_or(""));
  bool is_new = false;
  for (const std::string& name : wanted) {
    if (name.empty() || std::ranges::find(made, name) != made.end()) continue;
    TRY(const NameResult result, create(name, SpecialUse::none, changes));
    if (result == NameResult::done) TRY_OK(subscribe(*check_mailbox_name(name), Subscription::on));
    made.push_back(name);
    is_new = true;
  }
  if (!is_new) return {};
  std::string lines;
  for (const std::string& name : made) lines += name + "\n";
  return replace_file(disk(), marker, lines);
}

Result<std::optional<MailboxStatus>> Engine::status(std::string_view name, Uid first_recent,
                                                    Changes& changes) {
  const auto checked = check_mailbox_name(name);
  if (!checked) return std::nullopt;
  TRY(State * state, find(*checked, changes));
  if (state == nullptr) return std::nullopt;
  TRY_OK(sync(*state, RefreshMode::quick, changes));
  TRY_OK(claim(state->row.id, first_recent, changes));
  if (state->counted) return *state->counted;
  TRY(const auto unsized, index_.uids_without_size(state->row.id, kSizesToCountMax));
  if (!unsized.empty()) TRY_OK(load_sizes(state->row.id, unsized, changes));
  TRY(MailboxStatus counted, index_.count(state->row));
  counted.mailbox_id = id_from(state->row.guid);
  state->counted = counted;
  return counted;
}

Result<std::optional<OpenedMailbox>> Engine::open_mailbox(std::string_view name, Load what,
                                                          Changes& changes) {
  TRY(State * state, find(name, changes));
  if (state == nullptr) return std::nullopt;
  TRY_OK(sync(*state, RefreshMode::quick, changes));
  OpenedMailbox opened{.id = state->row.id,
                       .name = state->row.name,
                       .mailbox_id = id_from(state->row.guid),
                       .uidvalidity = state->row.uidvalidity,
                       .uidnext = state->row.uidnext,
                       .first_recent = state->row.first_recent,
                       .modseq = state->row.modseq,
                       .keywords = state->row.keywords,
                       .entries = {}};
  if (what == Load::entries) {
    TRY(opened.entries, index_.entries(state->row.id));
  }
  return opened;
}

}  // namespace posthorn::store
