#include "tools/account_list.h"

#include <map>

#include "process/instance.h"
#include "tools/control.h"
#include "tools/table_store.h"

namespace posthorn::tools {
namespace {

Result<std::vector<KnownAccount>> ask_accounts(const config::Config& config) {
  std::vector<KnownAccount> accounts;
  while (true) {
    TRY(const auto answer,
        ask_server(
            config, "lookup-control.sock",
            net::Message("accounts").add("after", accounts.empty() ? "" : accounts.back().name)));
    if (answer.verb != "ok") return fail(ErrorKind::temporary, std::string(answer.get("error")));
    const auto names = answer.all("name");
    const auto rules = answer.all("rules");
    if (names.size() != rules.size()) return fail(ErrorKind::protocol, "a strange answer");
    if (names.empty()) return accounts;
    for (std::size_t i = 0; i < names.size(); ++i)
      accounts.push_back({std::string(names[i]), std::string(rules[i])});
  }
}

}  // namespace

Result<std::vector<KnownAccount>> list_accounts(const config::Config& config) {
  if (process::is_anothers(config)) return ask_accounts(config);
  Stores stores(config);
  TRY(const auto users, stores.open(maps::Question::users));
  TRY(const auto quotas, stores.open(maps::Question::quotas));
  TRY(const auto all, users->list());
  TRY(const auto listed, quotas->list());
  const std::map<std::string, std::string> rules(listed.begin(), listed.end());
  std::vector<KnownAccount> accounts;
  for (const auto& [name, hash] : all) {
    const auto found = rules.find(name);
    accounts.push_back({name, found == rules.end() ? "" : found->second});
  }
  return accounts;
}

}  // namespace posthorn::tools
