#include "app/quota.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/placement.h"
#include "process/sockets.h"

namespace posthorn::app {
namespace {

constexpr std::size_t kKnownMax = 10'000;
constexpr auto kLookupWait = 5s;
constexpr auto kStoreWait = 3s;  // of a client who waits for an answer to RCPT
constexpr std::size_t kAskedMax = 20;

SteadyTime after(std::chrono::milliseconds time) {
  return Clock::system().steady_now() + time;
}

}  // namespace

net::Task<quota::Quota> RemoteQuota::quota_of(std::string account) {
  quota::Quota quota(settings_);
  const auto answer =
      co_await lookup_.ask(net::Message("quota").add("account", account), after(kLookupWait));
  if (answer && answer->verb == "ok") {
    if (known_.size() >= kKnownMax) known_.clear();
    known_[account] = answer->get("rules");
  }
  const auto known = known_.find(account);
  if (known == known_.end())
    co_return fail(ErrorKind::temporary,
                   answer ? fmt::format("lookup: {}", answer->get("error")) : answer.error().what);
  quota.add_all(known->second);
  co_return quota;
}

net::Task<net::Message> answer_room(store::Accounts& accounts, net::Message request) {
  quota::Quota quota(accounts.options().store);
  quota.add_all(request.get("rules"));
  CO_TRY(const auto account, co_await accounts.open(std::string(request.get("account"))));
  CO_TRY(const auto used, co_await account->used_of(quota));
  const auto size = to_number<std::uint64_t>(request.get("size")).value_or(0);
  const bool has_room =
      !quota.is_full(used) &&
      (size == 0 || quota.has_room("INBOX", used, {size, 1}, quota::Check::last_mail));
  co_return net::Message(has_room ? "ok" : "full")
      .add("bytes", std::to_string(used.bytes))
      .add("messages", std::to_string(used.messages));
}

RoomDirectory::RoomDirectory(net::Scope& scope, const config::Config& config,
                             route::Directory& inner, FindRules find_rules)
    : config_(config), inner_(inner), find_rules_(std::move(find_rules)) {
  for (std::size_t worker = 0; worker < config.store.workers; ++worker)
    stores_.push_back(
        std::make_unique<net::LineChannel>(scope, process::store_socket(config, worker, "quota")));
}

void RoomDirectory::close() {
  for (const auto& store : stores_) store->close();
}

net::Task<bool> RoomDirectory::ask(std::string account, std::uint64_t size) {
  quota::Quota quota(config_.store);
  CO_TRY(const std::string rules, co_await find_rules_(account));
  quota.add_all(rules);
  if (!quota.any()) co_return true;
  net::LineChannel& store = *stores_[worker_of(account, config_.store.workers)];
  CO_TRY(const auto answer, co_await store.ask(net::Message("room")
                                                   .add("account", account)
                                                   .add("rules", rules)
                                                   .add("size", std::to_string(size)),
                                               after(kStoreWait)));
  if (answer.verb == "ok" || answer.verb == "full") co_return answer.verb == "ok";
  co_return fail(ErrorKind::temporary, fmt::format("store: {}", answer.get("error")));
}

net::Awaitable<bool> RoomDirectory::has_room(std::string address, std::uint64_t size) {
  const auto plan = co_await inner_.plan({.address = std::move(address), .sender = {}});
  if (!plan || !*plan) co_return true;
  const auto* local = std::get_if<route::LocalPlan>(&**plan);
  if (local == nullptr) co_return true;
  const auto asked = co_await ask(local->account, size);
  if (!asked)
    log_.warn(event::quota_unknown, {{"account", local->account}, {"error", asked.error().what}});
  co_return asked.value_or(true);
}

route::Answer<route::Expansion> RoomDirectory::recipient(route::RecipientQuestion question) {
  using Out = std::expected<route::Expansion, route::Refusal>;
  auto answer = co_await inner_.recipient(question);
  if (!answer || !*answer || !config_.store.quotas) co_return answer;
  if ((*answer)->recipients.size() > kAskedMax) co_return answer;
  const std::vector<std::string> recipients = (*answer)->recipients;
  for (const std::string& to : recipients)
    if (co_await has_room(to, question.size)) co_return answer;
  const bool is_put_off = config_.store.quota_full_tempfail;
  // RFC 3463 section 3.3: X.2.2, mailbox full.
  co_return Out(
      std::unexpected(route::Refusal{is_put_off ? 452 : 552, is_put_off ? "4.2.2" : "5.2.2",
                                     fmt::format("<{}>: Mailbox is full", question.address)}));
}

route::Answer<void> RoomDirectory::sender(std::string account, std::string address) {
  return inner_.sender(std::move(account), std::move(address));
}

route::Answer<route::Plan> RoomDirectory::plan(route::PlanQuestion question) {
  return inner_.plan(std::move(question));
}

net::Task<std::string> RoomDirectory::rewrite(std::string sender) {
  return inner_.rewrite(std::move(sender));
}

}  // namespace posthorn::app
