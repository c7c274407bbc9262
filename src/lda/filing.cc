#include "lda/filing.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "store/annotations.h"
#include "store/dovecot_files.h"
#include "store/mailbox_name.h"

namespace posthorn::lda {
namespace {

// Flags that are no keywords are left out.
store::FlagNames marks_of(const sieve::Flags& flags) {
  auto names = store::split_flags(flags);
  std::erase_if(names.keywords, [](const std::string& name) { return !store::is_keyword(name); });
  return names;
}

std::string words_of(const store::Target& target) {
  std::vector<std::string> names = store::flag_names(target.flags);
  names.insert(names.end(), target.keywords.begin(), target.keywords.end());
  return fmt::format("{}", fmt::join(names, " "));
}

}  // namespace

void Filing::add(sieve::VersionPtr version, std::string mailbox, const sieve::Flags& flags,
                 Filed filed) {
  auto names = marks_of(flags);
  for (Copy& copy : copies_) {
    if (copy.target.mailbox != mailbox || copy.version != version) continue;
    copy.target.flags |= names.flags;  // by two names: one copy
    std::ranges::move(names.keywords, std::back_inserter(copy.target.keywords));
    return;
  }
  if (filed.misplaced.empty()) filed.wanted = mailbox;
  Copy copy{.version = std::move(version), .target = {}, .filed = std::move(filed)};
  copy.target.mailbox = std::move(mailbox);
  copy.target.flags = names.flags;
  copy.target.keywords = std::move(names.keywords);
  copy.target.internal_date = parts_.internal_date;
  copy.target.create = true;
  copy.target.else_inbox = true;
  copies_.push_back(std::move(copy));
}

void Filing::keep(Asker by) {
  add(nullptr, "INBOX", {}, Filed{.by = std::move(by)});
}

// user+Work: the folder Work, in any case, if there is one.
net::Task<std::string> Filing::inbox(Filed& filed) {
  if (!parts_.config.store.tag_to_folder || parts_.keys.tag.empty()) co_return "INBOX";
  CO_TRY(const auto found, co_await parts_.account.find_mailbox_nocase(parts_.keys.tag));
  if (found) add_reason(filed.by, "the address's tag names the folder");
  co_return found.value_or("INBOX");
}

net::Task<std::string> Filing::mailbox_of(const sieve::Place& place, Filed& filed) {
  // RFC 9042 section 4 and RFC 8579 section 4: the id goes before the use, the use before the name.
  if (!place.mailbox_id.empty()) {
    CO_TRY(auto found, co_await parts_.account.find_by_id(place.mailbox_id));
    if (found) co_return *std::move(found);
  }
  const auto use = store::parse_special_use(place.special_use);
  const bool has_use = use && *use != store::SpecialUse::none;
  if (has_use) {
    CO_TRY(auto found, co_await parts_.account.find_by_use(*use));
    if (found) co_return *std::move(found);
  }
  const std::string& wanted = place.mailbox;
  CO_TRY(const auto same, co_await parts_.account.find_mailbox_nocase(wanted));
  if (same && *same == wanted) co_return wanted;
  auto name = store::mailbox_name_from(wanted);
  if (!name) {
    filed.wanted = wanted;
    filed.misplaced = "no folder can have this name";
    co_return "INBOX";
  }
  // RFC 8579 section 4.1: made, it has this use. Where it cannot be made, filing tells.
  if (has_use && place.create == sieve::Create::yes)
    (void)co_await parts_.account.create(*name, *use);
  co_return *std::move(name);
}

net::Task<> Filing::add(const sieve::Action& action) {
  Filed filed{.by = asker_of(action)};
  if (const auto* keep = std::get_if<sieve::Keep>(&action.what)) {
    CO_TRY(std::string mailbox, co_await inbox(filed));
    add(action.version, std::move(mailbox), keep->flags, std::move(filed));
    co_return Result<>{};
  }
  const auto* into = std::get_if<sieve::FileInto>(&action.what);
  if (into == nullptr) co_return Result<>{};
  CO_TRY(std::string mailbox, co_await mailbox_of(into->place, filed));
  const config::Filter& filter = parts_.config.filter;
  sieve::Flags flags = into->place.flags;
  if (mailbox == parts_.config.store.junk) {
    if (filter.spam_to_junk) {
      if (filter.spam_is_read) flags.emplace_back("\\Seen");
    } else {
      add_reason(filed.by, "filter.spam_to_junk is off");
      CO_TRY(mailbox, co_await inbox(filed));
    }
  }
  add(action.version, std::move(mailbox), flags, std::move(filed));
  co_return Result<>{};
}

net::Task<store::DeliveryPtr> Filing::stage(const sieve::VersionPtr& version) {
  CO_TRY(store::DeliveryPtr edited, co_await parts_.account.begin_delivery());
  store::Delivery* const to = edited.get();
  CO_TRY_OK(co_await copy_message(parts_.account.pool(), parts_.message, version,
                                  OwnFields::included,
                                  [to](std::string_view bytes) { return to->write(bytes); }));
  co_return edited;
}

net::Task<std::vector<Filed>> Filing::commit() {
  // The copies of one version stand side by side: they share a file.
  std::vector<store::DeliveryPtr> staged;
  std::vector<store::Account::Append> appends;
  std::vector<Filed> filed;
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    const sieve::VersionPtr version = copies_[i].version;
    const auto is_before = [&](const Copy& copy) { return copy.version == version; };
    if (std::any_of(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(i), is_before))
      continue;
    store::Delivery* from = &parts_.message.delivery;
    if (version) {
      CO_TRY(store::DeliveryPtr edited, co_await stage(version));
      from = staged.emplace_back(std::move(edited)).get();
    }
    for (Copy& copy : copies_) {
      if (copy.version != version) continue;
      copy.filed.flags = words_of(copy.target);
      copy.filed.size = from->wire_size();
      filed.push_back(std::move(copy.filed));
      appends.push_back({from, std::move(copy.target)});
    }
  }
  CO_TRY(auto placed, co_await parts_.account.commit(std::move(appends), quota::Check::last_mail));
  for (std::size_t i = 0; i < placed.size(); ++i) {
    Filed& one = filed[i];
    one.placed = std::move(placed[i]);
    if (one.misplaced.empty() && one.placed.mailbox != one.wanted)
      one.misplaced = "it could not be filed there";
  }
  parts_.message.delivery.abort();
  co_return filed;
}

}  // namespace posthorn::lda
