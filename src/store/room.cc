#include "store/room.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "config/account_path.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kKnownMax = 10'000;
constexpr auto kLookupWait = 5s;

}  // namespace

net::Task<quota::Quota> RemoteQuota::quota_of(std::string account) {
  quota::Quota quota(settings_);
  const auto answer =
      co_await lookup_.ask(net::Message("quota").add("account", account), kLookupWait);
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

net::Task<bool> has_folder(Accounts& accounts, std::string account) {
  const Accounts::Options& options = accounts.options();
  CO_TRY(const Path path, config::account_path(options.mail, options.store.location, account));
  co_return co_await accounts.pool().run([&path]() -> Result<bool> {
    TRY(const auto info, find_file_info(path));
    return info.has_value();
  });
}

net::Task<net::Message> answer_room(Accounts& accounts, net::Message request) {
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

}  // namespace posthorn::store
