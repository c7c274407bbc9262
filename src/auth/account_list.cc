#include "auth/account_list.h"

#include <fmt/format.h>

#include "maps/pgsql_queries.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kAccountsAnswered = 200;
constexpr std::size_t kAnswerMax = net::kLineMax / 2;  // bytes of an answer: escaped it fits a line

using Accounts = std::vector<std::pair<std::string, std::string>>;  // name, quota rules

// A connection of its own: those of the tables are for mail.
Result<Accounts> read_rows(const config::Config& config, const std::string& after) {
  const maps::PgsqlQueries queries(config);
  const std::string users = queries.list_of(maps::Question::users);
  if (users.empty())
    return fail(ErrorKind::permanent, queries.place_of(maps::Question::users) +
                                          ": accounts cannot be listed; write pgsql.lists.users");
  const std::string quotas = queries.list_of(maps::Question::quotas);
  TRY(const auto connection,
      maps::PgsqlConnection::open(config.pgsql, config.pgsql.timeout, queries.session()));
  TRY(const auto rows,
      connection->ask({fmt::format("SELECT u.key, coalesce(left(q.value, 1000), '') "
                                   "FROM ({}) AS u (key, value) LEFT JOIN ({}) AS q (key, value) "
                                   "ON q.key = u.key WHERE u.key COLLATE \"C\" > $1 "
                                   "ORDER BY u.key COLLATE \"C\" LIMIT 200",
                                   users, quotas.empty() ? "SELECT ''::text, ''::text" : quotas),
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
    const auto rows = co_await pool.run([&] { return read_rows(config, after); });
    co_return rows ? tell(*rows) : refuse(rows.error());
  }
  const auto file = service.user_file();
  co_return file ? tell(read_file(**file, after)) : refuse(file.error());
}

}  // namespace posthorn::auth
