#include "tools/quota.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "config/quota.h"
#include "tools/account_list.h"
#include "tools/account_name.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/store_desk.h"
#include "tools/table_store.h"

namespace posthorn::tools {
namespace {

// The names under which it may stand among the users.
std::vector<std::string> names_of(const config::Config& config, const std::string& given) {
  const std::string address = complete_account_name(config, given);
  std::vector<std::string> names = {address};
  const std::size_t at = address.rfind('@');
  if (at != std::string::npos && address.substr(at + 1) == config.server.default_domain)
    names.push_back(address.substr(0, at));
  return names;
}

Error unknown(const config::Config& config, const std::string& given) {
  return {ErrorKind::permanent,
          fmt::format("there is no account {}", complete_account_name(config, given))};
}

// The one under which it does.
Result<std::string> find_user(const config::Config& config, TableStore& users,
                              const std::string& given) {
  for (const std::string& name : names_of(config, given)) {
    TRY(const auto found, users.find(name));
    if (found) return name;
  }
  return std::unexpected(unknown(config, given));
}

// The rules with another one for the account as a whole; those of mailboxes stay.
Result<std::string> change_rules(const std::string& before, const QuotaOptions& options) {
  std::string others;
  std::optional<quota::Amount> messages;
  for (std::string_view rest = before; !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto rule = quota::parse_rule(word);
    if (rule && rule->mailbox == "*") messages = rule->messages ? rule->messages : messages;
    if (rule && rule->mailbox != "*") others += fmt::format(" {}", word);
  }
  if (options.limit == "default") return others.empty() ? others : others.substr(1);
  const bool is_none = options.limit == "none";
  const auto size = is_none ? 0 : quota::parse_size(options.limit, 1);
  if (!size)
    return fail(ErrorKind::permanent,
                fmt::format("\"{}\" is no size, as 500M or 1G; none: no limit; default: as "
                            "store.quota says",
                            options.limit));
  std::string rule = fmt::format("*:storage={}", *size == 0 ? "0" : quota::format_size(*size));
  if (options.messages || is_none)
    rule += fmt::format(":messages={}", options.messages.value_or(0));
  else if (messages && messages->from == quota::Amount::From::nothing && !messages->is_percent)
    rule += fmt::format(":messages={}", messages->number);
  return rule + others;
}

struct Row {
  std::string account, rules;
  quota::Quota quota;
  quota::Usage used;
};

// What each account holds, as the store says.
net::Task<> fill(std::vector<Row>* rows, StoreDesk* desk) {
  for (Row& row : *rows) {
    CO_TRY(const auto answer,
           co_await desk->ask(
               row.account,
               net::Message("room").add("account", row.account).add("rules", row.rules), 60s));
    if (answer.verb != "ok" && answer.verb != "full")
      co_return fail(ErrorKind::temporary, fmt::format("{}: {}", row.account, answer.get("error")));
    const auto number = [&](std::string_view key) {
      return to_number<std::uint64_t>(answer.get(key)).value_or(0);
    };
    row.used = {.bytes = number("bytes"), .messages = number("messages")};
  }
  co_return Result<>{};
}

std::string shown(std::uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGT";
  auto value = static_cast<double>(bytes);
  std::size_t power = 0;
  for (; value >= 1024 && power + 1 < kUnits.size(); ++power) value /= 1024;
  return power == 0 ? fmt::format("{}B", bytes) : fmt::format("{:.1f}{}", value, kUnits[power]);
}

std::string percent(const Row& row) {
  const quota::Limits& limits = row.quota.limits();
  const auto share = [](std::uint64_t used, std::uint64_t max) {
    return max == 0 ? 0.0 : 100.0 * static_cast<double>(used) / static_cast<double>(max);
  };
  if (!limits.any()) return "-";
  return fmt::format("{:.0f}%", std::max(share(row.used.bytes, limits.bytes),
                                         share(row.used.messages, limits.messages)));
}

void print(const std::vector<Row>& rows) {
  constexpr std::string_view kForm = "{:<40} {:>9} {:>9} {:>8} {:>9} {:>9}\n";
  fmt::print(kForm, "account", "used", "limit", "percent", "messages", "limit");
  for (const Row& row : rows) {
    const quota::Limits& limits = row.quota.limits();
    fmt::print(kForm, row.account, shown(row.used.bytes),
               limits.bytes == 0 ? "-" : quota::format_size(limits.bytes), percent(row),
               row.used.messages, limits.messages == 0 ? "-" : std::to_string(limits.messages));
  }
}

Result<std::vector<Row>> read_rows(const config::Config& config, const QuotaOptions& options) {
  TRY(const auto known, list_accounts(config));
  const auto wanted =
      options.address.empty() ? std::vector<std::string>() : names_of(config, options.address);
  std::vector<Row> rows;
  for (const KnownAccount& account : known) {
    if (account.name == "*") continue;
    if (!wanted.empty() && std::ranges::find(wanted, account.name) == wanted.end()) continue;
    Row row{.account = complete_account_name(config, account.name),
            .rules = account.rules,
            .quota = quota::Quota(config.store),
            .used = {}};
    row.quota.add_all(row.rules);
    rows.push_back(std::move(row));
  }
  if (!wanted.empty() && rows.empty()) return std::unexpected(unknown(config, options.address));
  std::ranges::sort(rows, {}, &Row::account);
  return rows;
}

}  // namespace

int set_quota(const config::Config& config, const QuotaOptions& options) {
  Stores stores(config);
  const auto change = [&]() -> Result<> {
    TRY(const auto users, stores.open(maps::Question::users));
    TRY(const auto quotas, stores.open(maps::Question::quotas));
    TRY(const std::string name, find_user(config, *users, options.address));
    TRY(const auto before, quotas->find(name));
    TRY(const std::string rules, change_rules(before.value_or(""), options));
    if (rules.empty()) {
      TRY_OK(quotas->remove(name));
    } else {
      TRY_OK(quotas->set(name, rules));
    }
    TRY_OK(stores.commit());
    fmt::print("{}: {}\n", complete_account_name(config, name),
               rules.empty() ? "the default" : rules);
    if (!config.store.quotas) fmt::print("store.quotas is false: no limit counts\n");
    return {};
  };
  if (const auto done = change(); !done) return complain(done.error().what);
  if (!stores.has_text()) return 0;  // PostgreSQL tells the server itself
  return make_live(config);
}

int list_quotas(const config::Config& config, const QuotaOptions& options) {
  auto rows = read_rows(config, options);
  if (!rows) return complain(rows.error().what);
  const auto filled = work_at_store(config, [&](StoreDesk& desk) { return fill(&*rows, &desk); });
  if (!filled) return complain(filled.error().what);
  print(*rows);
  return 0;
}

}  // namespace posthorn::tools
