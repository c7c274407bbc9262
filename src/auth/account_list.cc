#include "auth/account_list.h"

#include "maps/pgsql_connection.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kAccountsAnswered = 200;
constexpr std::size_t kAnswerMax = net::kLineMax / 2;  // bytes of an answer: escaped it fits a line

using Accounts = std::vector<std::pair<std::string, std::string>>;  // name, quota rules

// A connection of its own: those of the tables are for mail.
Result<Accounts> read_rows(const config::Pgsql& config, const std::string& after) {
  TRY(const auto connection, maps::PgsqlConnection::open(config, config.timeout));
  TRY(const auto rows,
      connection->ask({"SELECT u.name, coalesce(left(q.rules, 1000), '') FROM posthorn.users u "
                       "LEFT JOIN posthorn.quotas q ON q.name = u.name "
                       "WHERE u.name COLLATE \"C\" > $1 ORDER BY u.name COLLATE \"C\" LIMIT 200",
                       {after},
                       kAccountsAnswered}));
  Accounts accounts;
  for (const maps::PgsqlRow& row : rows) accounts.emplace_back(row[0], row[1]);
  return accounts;
}

Accounts read_file(const UserFile& file, const std::string& after) {
  Accounts accounts;
  for (auto at = file.hashes.upper_bound(after);
       at != file.hashes.end() && accounts.size() < kAccountsAnswered; ++at) {
    const auto rules = file.quota_rules.find(at->first);
    accounts.emplace_back(at->first, rules == file.quota_rules.end() ? "" : rules->second);
  }
  return accounts;
}

net::Message tell(const Accounts& accounts) {
  net::Message answer("ok");
  std::size_t size = 0;
  for (const auto& [name, rules] : accounts) {
    if (size > 0 && size + name.size() + rules.size() > kAnswerMax) break;
    size += name.size() + rules.size() + 20;
    answer.add("name", name).add("rules", rules);
  }
  return answer;
}

}  // namespace

net::Awaitable<std::optional<net::Message>> answer_accounts(const AuthService& service,
                                                            const config::Config& config,
                                                            net::BlockingPool& pool,
                                                            net::Message request) {
  if (request.verb != "accounts") co_return std::nullopt;
  const std::string after(request.get("after"));
  const auto refuse = [](const Error& error) {
    return net::Message("temporary").add("error", error.what);
  };
  if (config.auth.users == config::UserSource::pgsql) {
    const auto rows = co_await pool.run([&] { return read_rows(config.pgsql, after); });
    co_return rows ? tell(*rows) : refuse(rows.error());
  }
  const auto file = service.user_file();
  co_return file ? tell(read_file(**file, after)) : refuse(file.error());
}

}  // namespace posthorn::auth
