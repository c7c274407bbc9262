#include "route/room_directory.h"

#include <fmt/format.h>

#include "base/events.h"
#include "config/quota.h"

namespace posthorn::route {
namespace {

constexpr auto kStoreWait = 3s;  // of a client who waits for an answer to RCPT
constexpr std::size_t kAskedMax = 20;

}  // namespace

RoomDirectory::RoomDirectory(net::Scope& scope, const config::Config& config,
                             const net::Placement& placement, Directory& inner,
                             FindRules find_rules)
    : config_(config),
      inner_(inner),
      find_rules_(std::move(find_rules)),
      stores_(scope, placement, net::AccountService::quota) {}

void RoomDirectory::close() {
  stores_.close();
}

net::Task<bool> RoomDirectory::ask(std::string account, std::uint64_t size) {
  quota::Quota quota(config_.store);
  CO_TRY(const std::string rules, co_await find_rules_(account));
  quota.add_all(rules);
  if (!quota.any()) co_return true;
  CO_TRY(const auto answer, co_await stores_.ask(account,
                                                 net::Message("room")
                                                     .add("account", account)
                                                     .add("rules", rules)
                                                     .add("size", std::to_string(size)),
                                                 kStoreWait));
  if (answer.verb == "ok" || answer.verb == "full") co_return answer.verb == "ok";
  co_return fail(ErrorKind::temporary, fmt::format("store: {}", answer.get("error")));
}

net::Awaitable<bool> RoomDirectory::has_room(std::string address, std::uint64_t size,
                                             Explanation* told) {
  const auto plan = co_await inner_.plan({.address = std::move(address), .sender = {}});
  if (!plan || !*plan) co_return true;
  const auto* local = std::get_if<LocalPlan>(&**plan);
  if (local == nullptr) co_return true;
  const auto asked = co_await ask(local->account, size);
  if (told != nullptr)
    told->add({asked ? Decision::room : Decision::unasked,
               asked ? fmt::format("{} in the mailbox of {}",
                                   *asked ? "there is room" : "there is no room", local->account)
                     : fmt::format("whether there is room in the mailbox of {} cannot be asked, "
                                   "which refuses nothing: {}",
                                   local->account, asked.error().what),
               "store.quota"});
  if (!asked)
    log_.warn(event::quota_unknown, {{"account", local->account}, {"error", asked.error().what}});
  co_return asked.value_or(true);
}

Answer<Expansion> RoomDirectory::recipient(RecipientQuestion question) {
  using Out = std::expected<Expansion, Refusal>;
  auto answer = co_await inner_.recipient(question);
  if (!answer || !*answer || !config_.store.quotas) co_return answer;
  if ((*answer)->recipients.size() > kAskedMax) co_return answer;
  const std::vector<std::string> recipients = (*answer)->recipients;
  for (const std::string& to : recipients)
    if (co_await has_room(to, question.size, question.told)) co_return answer;
  const bool is_put_off = config_.store.quota_full_tempfail;
  // RFC 3463 section 3.3: X.2.2, mailbox full.
  co_return Out(
      std::unexpected(Refusal{Reason::full, is_put_off ? 452 : 552, is_put_off ? "4.2.2" : "5.2.2",
                              fmt::format("<{}>: Mailbox is full", question.address)}));
}

Answer<void> RoomDirectory::sender(SenderQuestion question) {
  return inner_.sender(std::move(question));
}

Answer<Plan> RoomDirectory::plan(PlanQuestion question) {
  return inner_.plan(std::move(question));
}

net::Task<std::string> RoomDirectory::rewrite(std::string sender) {
  return inner_.rewrite(std::move(sender));
}

}  // namespace posthorn::route
