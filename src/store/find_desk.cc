#include "store/find_desk.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kFoundMax = 20;
// The date is the delivery's moment, which is told when it is over.
constexpr std::int64_t kSecondsBefore = 60, kSecondsBehind = 2;

struct Sought {
  std::string mailbox;
  std::uint32_t uidvalidity = 0;
  Uid uid = 0;
  std::uint32_t wire_size = 0;
  std::int64_t at = 0;
};

struct Found {
  std::string mailbox;
  Uid uid = 0;
  std::string flags;
};

std::string flags_of(const Mailbox& mailbox, const Entry& entry) {
  std::vector<std::string> names = flag_names(entry.flags);
  for (const std::string_view name : mailbox.keyword_names(entry.keywords))
    names.emplace_back(name);
  return fmt::format("{}", fmt::join(names, " "));
}

// The message itself; nullopt: it is not in its mailbox any more.
std::optional<Found> find_itself(const Mailbox& mailbox, const Sought& sought) {
  if (mailbox.name() != sought.mailbox || mailbox.uidvalidity() != sought.uidvalidity)
    return std::nullopt;
  const Entry* entry = mailbox.find(sought.uid);
  if (entry == nullptr) return std::nullopt;
  return Found{mailbox.name(), entry->uid, flags_of(mailbox, *entry)};
}

void find_alike(const Mailbox& mailbox, const Sought& sought, std::vector<Found>& found) {
  for (const Entry& entry : mailbox.entries()) {
    if (entry.wire_size != sought.wire_size || found.size() >= kFoundMax) continue;
    if (entry.internal_date < sought.at - kSecondsBefore ||
        entry.internal_date > sought.at + kSecondsBehind)
      continue;
    found.push_back({mailbox.name(), entry.uid, flags_of(mailbox, entry)});
  }
}

net::Message answer_of(const std::vector<Found>& found) {
  net::Message answer("ok");
  for (const Found& one : found)
    answer.add("found", one.mailbox).add("uid", std::to_string(one.uid)).add("flags", one.flags);
  return answer;
}

}  // namespace

net::Task<net::Message> answer_where(Account& account, const net::Message& request) {
  const Sought sought{
      .mailbox = std::string(request.get("mailbox")),
      .uidvalidity = to_number<std::uint32_t>(request.get("uidvalidity")).value_or(0),
      .uid = to_number<Uid>(request.get("uid")).value_or(0),
      .wire_size = to_number<std::uint32_t>(request.get("size")).value_or(0),
      .at = to_number<std::int64_t>(request.get("at")).value_or(0)};
  CO_TRY(const auto mailboxes, co_await account.list());
  std::vector<Found> alike;
  for (const MailboxInfo& one : mailboxes) {
    if (!one.is_selectable) continue;
    CO_TRY(const auto view, co_await account.open_view(one.name, Access::read_only));
    if (!view) continue;  // it is gone already
    if (auto itself = find_itself(view->mailbox(), sought))
      co_return answer_of({*std::move(itself)});
    find_alike(view->mailbox(), sought, alike);
  }
  co_return answer_of(alike);
}

}  // namespace posthorn::store
