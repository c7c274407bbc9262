// Annotations of mailboxes and of the account, and the special uses that are among them.
#include <algorithm>

#include "base/events.h"
#include "store/engine.h"

namespace posthorn::store {
namespace {

constexpr std::uint64_t kFileMax = 4U << 20U;  // all escaped, it is within the limits still

}  // namespace

Path Engine::annotations_path(std::string_view name) const {
  if (name.empty()) return options_.path / kAccountAnnotationsFile;
  return folder_path(name) / kAnnotationsFile;
}

Result<std::optional<Annotations>> Engine::read_annotations(std::string_view name,
                                                            Changes& changes) {
  if (!name.empty()) {
    TRY(const State* state, find(name, changes));
    if (state == nullptr) return std::nullopt;
  }
  TRY(const auto text, read_file(annotations_path(name), kFileMax));
  return parse_annotations(text.value_or(""));
}

Result<std::optional<Annotations>> Engine::annotations(std::string_view name, Changes& changes) {
  TRY(auto all, read_annotations(name, changes));
  const SpecialUse use = configured_use(name);
  if (!all || use == SpecialUse::none || all->contains(kSpecialUseEntry)) return all;
  // RFC 5464 section 4.1: a value may be computed.
  TRY(const bool is_given, is_use_given(use, name));
  if (!is_given) all->emplace(kSpecialUseEntry, to_string(use));
  return all;
}

Result<> Engine::write_annotations(const Path& path, const std::string& text) {
  if (!text.empty()) return replace_file(disk(), path, text);
  if (stamp_of(path) == Stamp{}) return {};
  TRY_OK(disk().remove(path));
  return disk().sync_folder(path.parent_path());
}

Result<AnnotationResult> Engine::annotate(std::string_view name,
                                          const std::vector<AnnotationChange>& wanted,
                                          Changes& changes) {
  TRY(auto all, read_annotations(name, changes));
  if (!all) return AnnotationResult::not_found;
  const auto use_before = special_use_in(*all);
  const AnnotationResult result = apply(wanted, *all);
  if (result != AnnotationResult::done) return result;
  const auto use = special_use_in(*all);
  // The account is no mailbox.
  if (name.empty() && all->contains(kSpecialUseEntry)) return AnnotationResult::bad_name;
  if (use && use != use_before) {
    TRY(const bool is_given, is_use_given(*use, name));
    if (is_given) return AnnotationResult::bad_use;
  }
  const Path path = annotations_path(name);
  const std::string text = format_annotations(*all);
  const auto before = static_cast<std::uint64_t>(stamp_of(path).size);
  if (text.size() > before) {
    TRY(const auto names, mailbox_names());
    TRY_OK(note_annotations(names));
    std::uint64_t bytes = static_cast<std::uint64_t>(stamp_of(annotations_path("")).size);
    for (const auto& [mailbox, noted] : noted_)
      bytes += static_cast<std::uint64_t>(noted.file.size);
    if (bytes - before + text.size() > kAnnotationFilesMax) return AnnotationResult::too_many;
  }
  TRY_OK(write_annotations(path, text));
  if (!name.empty()) note(name, use);
  return AnnotationResult::done;
}

// A look at each mailbox, and a reading of those whose annotations changed.
Result<> Engine::note_annotations(const std::vector<std::string>& names) {
  decltype(noted_) noted;
  for (const std::string& name : names) {
    const Path path = annotations_path(name);
    const Stamp stamp = stamp_of(path);
    if (stamp == Stamp{}) continue;
    const auto at = noted_.find(name);
    if (at != noted_.end() && at->second.file == stamp) {
      noted.insert(noted_.extract(at));
      continue;
    }
    const auto text = read_file(path, kFileMax);
    // What cannot be read says nothing; the mailbox is there all the same.
    if (!text) log_.warn(event::store_failed, {{"error", text.error().what}});
    const std::string_view lines = text && *text ? std::string_view(**text) : std::string_view();
    noted.insert_or_assign(name, Noted{stamp, special_use_in(parse_annotations(lines))});
  }
  noted_ = std::move(noted);
  is_noted_ = true;
  return {};
}

void Engine::note(std::string_view name, std::optional<SpecialUse> use) {
  const Stamp stamp = stamp_of(annotations_path(name));
  if (stamp == Stamp{}) {
    if (const auto at = noted_.find(name); at != noted_.end()) noted_.erase(at);
  } else {
    noted_.insert_or_assign(std::string(name), Noted{stamp, use});
  }
}

// The mailbox that a user has given the use.
const std::string* Engine::holder_of(SpecialUse use) const {
  if (use == SpecialUse::none) return nullptr;
  const auto at =
      std::ranges::find_if(noted_, [&](const auto& one) { return one.second.use == use; });
  return at == noted_.end() ? nullptr : &at->first;
}

std::string_view Engine::configured_name(SpecialUse use) const {
  const config::Store& store = options_.store;
  switch (use) {
    case SpecialUse::drafts:
      return store.drafts;
    case SpecialUse::sent:
      return store.sent;
    case SpecialUse::trash:
      return store.trash;
    case SpecialUse::junk:
      return store.junk;
    case SpecialUse::archive:
      return store.archive;
    case SpecialUse::none:
      break;
  }
  return {};
}

SpecialUse Engine::configured_use(std::string_view name) const {
  for (const SpecialUse use : {SpecialUse::drafts, SpecialUse::sent, SpecialUse::trash,
                               SpecialUse::junk, SpecialUse::archive})
    if (!name.empty() && name == configured_name(use)) return use;
  return SpecialUse::none;
}

SpecialUse Engine::use_of(std::string_view name) const {
  if (const auto at = noted_.find(name); at != noted_.end() && at->second.use)
    return *at->second.use;
  const SpecialUse use = configured_use(name);
  return holder_of(use) == nullptr ? use : SpecialUse::none;
}

// Has a user given it to a mailbox but this one?
Result<bool> Engine::is_use_given(SpecialUse use, std::string_view but) {
  if (use == SpecialUse::none) return false;
  TRY(const auto names, mailbox_names());
  TRY_OK(note_annotations(names));
  const std::string* const holder = holder_of(use);
  return holder != nullptr && *holder != but;
}

Result<std::optional<SpecialUse>> Engine::special_use(std::string_view name) {
  if (!has_mailbox(name)) return std::nullopt;
  const auto is_as_noted = [this](std::string_view mailbox) {
    const auto at = noted_.find(mailbox);
    return stamp_of(annotations_path(mailbox)) == (at == noted_.end() ? Stamp{} : at->second.file);
  };
  const std::string* const holder = holder_of(configured_use(name));
  if (!is_noted_ || !is_as_noted(name) || (holder != nullptr && !is_as_noted(*holder))) {
    TRY(const auto names, mailbox_names());
    TRY_OK(note_annotations(names));
  }
  return use_of(name);
}

// Once the annotations have been noted, no more than one mailbox is looked at, however many there
// are: a script may ask for each message.
Result<std::optional<std::string>> Engine::find_by_use(SpecialUse use) {
  if (use == SpecialUse::none) return std::nullopt;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::string* const holder = holder_of(use);
    if (is_noted_ && holder != nullptr &&
        stamp_of(annotations_path(*holder)) == noted_.find(*holder)->second.file)
      return *holder;
    if (is_noted_ && holder == nullptr) {
      const std::string name(configured_name(use));
      const bool is_its = !name.empty() && use_of(name) == use;
      return is_its && has_mailbox(name) ? std::optional(name) : std::nullopt;
    }
    TRY(const auto names, mailbox_names());
    TRY_OK(note_annotations(names));
  }
  return std::nullopt;
}

}  // namespace posthorn::store
