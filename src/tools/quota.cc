#include "tools/quota.h"

#include <algorithm>
#include <asio/io_context.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <map>

#include "base/ascii.h"
#include "config/account_path.h"
#include "config/quota.h"
#include "message/mailbox_address.h"
#include "net/account_channels.h"
#include "process/folders.h"
#include "process/instance.h"
#include "process/sandbox.h"
#include "process/sockets.h"
#include "store/room.h"
#include "tools/control.h"
#include "tools/table_store.h"

namespace posthorn::tools {
namespace {

int complain(std::string_view what) {
  fmt::print(stderr, "posthorn: {}\n", what);
  return 1;
}

std::string complete(const config::Config& config, std::string_view name) {
  std::string address = message::to_lower(name);
  if (address.find('@') == std::string::npos && !config.server.default_domain.empty())
    address += "@" + config.server.default_domain;
  return address;
}

// The name under which the account stands among the users.
Result<std::string> find_user(const config::Config& config, TableStore& users,
                              const std::string& given) {
  const std::string address = complete(config, given);
  std::vector<std::string> names = {address};
  const std::size_t at = address.rfind('@');
  if (at != std::string::npos && address.substr(at + 1) == config.server.default_domain)
    names.push_back(address.substr(0, at));
  for (const std::string& name : names) {
    TRY(const auto found, users.find(name));
    if (found) return name;
  }
  return fail(ErrorKind::permanent, fmt::format("there is no account {}", address));
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

using Ask = std::function<net::Task<net::Message>(const Row& row)>;

net::Message question(const Row& row) {
  return net::Message("room").add("account", row.account).add("rules", row.rules);
}

net::Task<> fill(const config::Config* config, std::vector<Row>* rows, const Ask* ask) {
  for (Row& row : *rows) {
    // To ask makes the account's folder; nobody's is made by looking.
    CO_TRY(const Path path,
           config::account_path(config->paths.mail, config->store.location, row.account));
    std::error_code error;
    if (!std::filesystem::exists(path, error) && !error) continue;
    CO_TRY(const auto answer, co_await (*ask)(row));
    if (answer.verb != "ok" && answer.verb != "full")
      co_return fail(ErrorKind::temporary, fmt::format("{}: {}", row.account, answer.get("error")));
    const auto number = [&](std::string_view key) {
      return to_number<std::uint64_t>(answer.get(key)).value_or(0);
    };
    row.used = {.bytes = number("bytes"), .messages = number("messages")};
  }
  co_return Result<>{};
}

net::Awaitable<void> fill_there(const config::Config* config, std::vector<Row>* rows,
                                net::AccountChannels* stores, Result<>* done) {
  const Ask ask = [stores](const Row& row) { return stores->ask(row.account, question(row), 60s); };
  *done = co_await fill(config, rows, &ask);
  stores->close();
}

net::Awaitable<void> fill_here(const config::Config* config, std::vector<Row>* rows,
                               store::Accounts* accounts, Result<>* done) {
  const Ask ask = [accounts](const Row& row) {
    return store::answer_room(*accounts, question(row));
  };
  *done = co_await fill(config, rows, &ask);
  co_await accounts->close();
}

Result<> look_there(const config::Config& config, std::vector<Row>& rows) {
  asio::io_context context(1);
  net::Scope scope(context.get_executor(), Clock::system());
  const process::LocalPlacement placement(config);
  net::AccountChannels stores(scope, placement, net::AccountService::control);
  Result<> done;
  scope.spawn(fill_there(&config, &rows, &stores, &done));
  context.run();
  return done;
}

// No server: this process is the store.
Result<> look_here(const config::Config& config, std::vector<Row>& rows) {
  TRY_OK(process::become(config.users.store));
  asio::io_context context(1);
  net::BlockingPool pool(1);
  Result<> done;
  {
    net::Scope scope(context.get_executor(), Clock::system());
    store::Accounts accounts(
        scope, pool,
        {.store = config.store, .mail = config.paths.mail, .hostname = config.server.hostname});
    scope.spawn(fill_here(&config, &rows, &accounts, &done));
    context.run();
  }
  pool.join();
  return done;
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
  Stores stores(config);
  TRY(const auto users, stores.open(maps::Question::users));
  TRY(const auto quotas, stores.open(maps::Question::quotas));
  std::vector<std::string> names;
  if (options.address.empty()) {
    TRY(const auto all, users->list());
    for (const auto& [name, hash] : all)
      if (name != "*") names.push_back(name);
  } else {
    TRY(names.emplace_back(), find_user(config, *users, options.address));
  }
  TRY(const auto listed, quotas->list());
  const std::map<std::string, std::string> rules(listed.begin(), listed.end());
  std::vector<Row> rows;
  for (const std::string& name : names) {
    Row row{.account = complete(config, name), .rules = {}, .quota = {}, .used = {}};
    if (const auto found = rules.find(name); found != rules.end()) row.rules = found->second;
    row.quota = quota::Quota(config.store);
    row.quota.add_all(row.rules);
    rows.push_back(std::move(row));
  }
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
    fmt::print("{}: {}\n", complete(config, name), rules.empty() ? "the default" : rules);
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
  if (const auto made = process::prepare_folders(config); !made) return complain(made.error().what);
  const auto lock = process::take_instance_lock(config);
  log::start({.level = log::Level::error, .role = "tool", .file = "/dev/stderr"});
  const auto looked = lock ? look_here(config, *rows) : look_there(config, *rows);
  if (!looked) return complain(looked.error().what);
  print(*rows);
  return 0;
}

}  // namespace posthorn::tools
