// Whose limits are whose: the quota rules of an account, from wherever its login stands.
#include "auth/service.h"
#include "base/events.h"
#include "config/quota.h"

namespace posthorn::auth {
namespace {

// The name without its domain, if a line without one means this account.
std::string local_part(const std::string& account) {
  const std::size_t at = account.rfind('@');
  return at == std::string::npos ? std::string() : account.substr(0, at);
}

}  // namespace

net::Task<std::string> AuthService::find_quota_rules(std::string account) const {
  const std::string local = local_part(account);
  const bool is_bare = !local.empty() && account_of(local) == account;
  const bool is_shared = config_.auth.any_user == config::AnyUser::one_password;
  std::vector<std::string> names = {account};
  if (is_bare) names.push_back(local);
  if (is_shared) names.emplace_back("*");
  if (sources_.users == nullptr) {
    const UserFile& file = users_->file;
    for (const std::string& name : names) {
      if (!file.hashes.contains(name)) continue;
      const auto found = file.quota_rules.find(name);
      co_return found == file.quota_rules.end() ? std::string() : found->second;
    }
    co_return std::string();
  }
  if (sources_.quotas == nullptr) co_return std::string();
  for (const std::string& name : names) {
    CO_TRY(const auto found, co_await sources_.quotas->find(name));
    const auto& rules = found.value;
    if (!rules) continue;
    for (const std::string& fault : quota::parse_rules(*rules).faults)
      log_.warn(event::quota_rule_refused, {{"account", account}, {"error", fault}});
    co_return *rules;
  }
  co_return std::string();
}

Result<AuthService::UserFilePtr> AuthService::user_file() const {
  if (!users_->unread.empty()) return fail(ErrorKind::temporary, users_->unread);
  return UserFilePtr(users_, &users_->file);
}

}  // namespace posthorn::auth
