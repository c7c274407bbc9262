#include "lda/world.h"

#include <algorithm>

#include "base/ascii.h"
#include "lda/replies.h"
#include "store/annotations.h"
#include "store/mailbox_name.h"

namespace posthorn::lda {

std::optional<std::string> meant_mailbox(const std::vector<store::MailboxInfo>& mailboxes,
                                         const std::string& name) {
  const auto same = std::ranges::find(mailboxes, name, &store::MailboxInfo::name);
  if (same != mailboxes.end() && same->is_selectable) return name;
  return store::mailbox_name_from(name);
}

template <class Key, class Value, class Ask>
net::Task<> AccountWorld::fetch(Asked<Key, Value>& asked, Ask ask) {
  for (const Key& key : std::exchange(asked.wanted, {})) {
    CO_TRY(Value value, co_await ask(key));
    asked.known.insert_or_assign(key, std::move(value));
  }
  co_return Result<>{};
}

net::Task<> AccountWorld::answer() {
  if (std::exchange(wants_memory_, false)) (void)co_await parts_.memory->get();
  if (std::exchange(wants_text_, false)) {
    CO_TRY(text_, co_await parts_.read_text());
  }
  if (std::exchange(wants_mailboxes_, false)) {
    CO_TRY(mailboxes_, co_await parts_.account.list());
  }
  CO_TRY_OK(co_await fetch(
      ids_, [this](const std::string& id) { return parts_.account.find_by_id(id); }));
  CO_TRY_OK(co_await fetch(annotations_, [this](const std::string& mailbox) {
    return parts_.account.annotations(mailbox);
  }));
  CO_TRY_OK(co_await fetch(listed_, [this](const std::pair<std::string, std::string>& asked) {
    return (*parts_.ask_list)(asked.first, asked.second);
  }));
  co_return Result<>{};
}

sieve::Answer<std::string_view> AccountWorld::text() {
  if (text_) return *text_;
  wants_text_ = true;
  return std::nullopt;
}

const store::MailboxInfo* AccountWorld::find_mailbox(const std::string& name) const {
  const auto meant = meant_mailbox(*mailboxes_, name);
  if (!meant) return nullptr;
  const auto found = std::ranges::find(*mailboxes_, *meant, &store::MailboxInfo::name);
  return found == mailboxes_->end() || !found->is_selectable ? nullptr : &*found;
}

sieve::Answer<bool> AccountWorld::has_mailbox(const std::string& mailbox) {
  if (mailboxes_) return find_mailbox(mailbox) != nullptr;
  wants_mailboxes_ = true;
  return std::nullopt;
}

sieve::Answer<std::string> AccountWorld::find_special_use(const std::string& use) {
  if (!mailboxes_) {
    wants_mailboxes_ = true;
    return std::nullopt;
  }
  for (const store::MailboxInfo& one : *mailboxes_)
    if (one.is_selectable && one.use != store::SpecialUse::none &&
        equals_ignoring_case(store::to_string(one.use), use))
      return one.name;
  return std::string();
}

sieve::Answer<bool> AccountWorld::has_special_use(const std::string& mailbox,
                                                  const std::string& use) {
  if (!mailboxes_) {
    wants_mailboxes_ = true;
    return std::nullopt;
  }
  const store::MailboxInfo* found = find_mailbox(mailbox);
  return found != nullptr && found->use != store::SpecialUse::none &&
         equals_ignoring_case(store::to_string(found->use), use);
}

sieve::Answer<std::string> AccountWorld::find_mailbox_id(const std::string& id) {
  const auto found = ids_.find(id);
  if (!found) return std::nullopt;
  return found->value_or("");
}

sieve::Answer<std::optional<std::string>> AccountWorld::find_annotation(const std::string& mailbox,
                                                                        const std::string& entry) {
  if (!mailboxes_) {
    wants_mailboxes_ = true;
    return std::nullopt;
  }
  std::string name;  // empty: of the account
  if (!mailbox.empty()) {
    const store::MailboxInfo* found = find_mailbox(mailbox);
    if (found == nullptr) return std::optional<std::string>();
    name = found->name;
  }
  const auto checked = store::check_annotation_name(entry);
  if (!checked) return std::optional<std::string>();
  const auto all = annotations_.find(name);
  if (!all) return std::nullopt;
  if (!*all) return std::optional<std::string>();
  const auto value = (*all)->find(*checked);
  return value == (*all)->end() ? std::optional<std::string>() : std::optional(value->second);
}

sieve::Answer<bool> AccountWorld::was_seen(const sieve::Seen& message) {
  if (parts_.memory == nullptr) return false;
  if (parts_.memory->was_got()) return parts_.memory->has(message);
  wants_memory_ = true;
  return std::nullopt;
}

bool AccountWorld::has_list(const std::string& list) {
  return parts_.ask_list != nullptr && parts_.config.sieve.lists.contains(list);
}

sieve::Answer<bool> AccountWorld::is_listed(const std::string& list, const std::string& value) {
  return listed_.find({list, value});
}

std::optional<std::string> AccountWorld::environment(std::string_view item) {
  const auto found = parts_.items.find(item);
  return found == parts_.items.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace posthorn::lda
