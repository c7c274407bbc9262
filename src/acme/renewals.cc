#include "acme/renewals.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "base/events.h"
#include "base/metrics.h"

namespace posthorn::acme {
namespace {

constexpr std::size_t kPairMax = 200'000;
constexpr std::size_t kStateMax = 16U << 20U;
constexpr std::size_t kAccountMax = 64U << 10U;
constexpr auto kWindowLater = std::chrono::hours(6);
constexpr const char* kState = "state.json";
constexpr std::string_view kDisk =
    "see that the disk has room and that paths.acme belongs to the account of users.acme";

std::unexpected<Failure> disk_failure(const Error& error) {
  return std::unexpected(Failure{.what = shown(error.what), .remedy = std::string(kDisk)});
}

std::string time_text(WallTime time) {
  return time == WallTime{} ? std::string("-") : format_log_time(time);
}

}  // namespace

Renewals::Renewals(Parts parts, Settings settings)
    : parts_(parts),
      settings_(std::move(settings)),
      client_(parts_.wire, parts_.prover, settings_.client) {}

Renewals::Held* Renewals::find(const std::string& name) {
  const auto at = held_.find(name);
  return at == held_.end() ? nullptr : &at->second;
}

net::Awaitable<std::optional<PairInfo>> Renewals::read_pair_of(std::string name) {
  co_return *co_await parts_.pool.run([this, &name]() -> posthorn::Result<std::optional<PairInfo>> {
    const auto file = pair_file(name);
    if (!file) return std::nullopt;
    const auto text = parts_.folder.read(*file, kPairMax);
    if (!text || !*text) return std::nullopt;
    auto info = read_pair(**text);
    if (!info) return std::nullopt;  // it is got anew
    return *std::move(info);
  });
}

net::Task<> Renewals::load() {
  CO_TRY_OK(co_await parts_.pool.run([this] { return parts_.folder.clean(); }));
  CO_TRY(const auto text,
         co_await parts_.pool.run([this] { return parts_.folder.read(kState, kStateMax); }));
  if (!text) co_return posthorn::Result<>{};
  auto entries = read_state(*text);
  if (!entries) {
    log_.warn(event::acme_waiting, {{"file", kState}, {"reason", entries.error().what}});
    co_return posthorn::Result<>{};
  }
  for (Entry& entry : *entries) {
    if (!pair_file(entry.name)) continue;
    Held held{.entry = std::move(entry), .pair = {}};
    held.pair = co_await read_pair_of(held.entry.name);
    wanted_.push_back({held.entry.name, held.entry.names});
    held_.emplace(held.entry.name, std::move(held));
  }
  co_return posthorn::Result<>{};
}

net::Awaitable<void> Renewals::want(std::vector<Wanted> wanted) {
  if (wanted == wanted_ && held_.size() == wanted_.size()) co_return;
  wanted_ = std::move(wanted);
  std::set<std::string> names;
  for (const Wanted& one : wanted_) {
    names.insert(one.name);
    if (Held* const held = find(one.name)) {
      held->entry.names = one.names;
      continue;
    }
    Held held{.entry = {.name = one.name, .names = one.names}, .pair = {}};
    held.pair = co_await read_pair_of(one.name);
    if (held.pair) {
      held.entry.issuer = held.pair->issuer;
      held.entry.ends = held.pair->ends;
      held.entry.issued = held.pair->begins;
    }
    held_.insert_or_assign(one.name, std::move(held));
  }
  std::erase_if(held_, [&](const auto& one) { return !names.contains(one.first); });
  co_await retire_ended();
  co_await save();
}

// A pair that nobody wants any more serves until its end: who still comes by its name is not turned
// away before.
net::Awaitable<void> Renewals::retire_ended() {
  const auto files = co_await parts_.pool.run([this] { return parts_.folder.list(); });
  if (!files) co_return;
  for (const std::string& file : *files) {
    if (!file.ends_with(".pem")) continue;
    const std::string name = file.substr(0, file.size() - 4);
    if (held_.contains(name)) continue;
    const auto info = co_await read_pair_of(name);
    if (info && info->ends > parts_.wire.now()) continue;
    (void)co_await parts_.pool.run([this, &file] { return parts_.folder.retire(file); });
  }
}

net::Awaitable<void> Renewals::save() {
  std::vector<Entry> entries;
  std::vector<WallTime> next;
  for (const auto& [name, held] : held_) {
    entries.push_back(held.entry);
    next.push_back(acme::find_due(held.entry, life_of(held)).at);
  }
  const std::string text = write_state(entries, next);
  const auto written = co_await parts_.pool.run(
      [this, &text] { return parts_.folder.replace(kState, text, Folder::Reader::group); });
  if (!written)
    log_.error(event::acme_failed,
               {{"file", kState}, {"error", written.error().what}, {"remedy", kDisk}});
}

std::optional<Life> Renewals::life_of(const Held& held) const {
  if (!held.pair) return std::nullopt;
  return Life{held.pair->begins, held.pair->ends, held.pair->names, held.pair->fingerprint};
}

std::vector<Renewals::Shown> Renewals::all() const {
  std::vector<Shown> all;
  for (const auto& [name, held] : held_) {
    Shown one{.entry = held.entry,
              .due = acme::find_due(held.entry, life_of(held)),
              .is_busy = busy_ == name,
              .is_hastened = held.is_hastened};
    if (held.pair) {  // the pair itself is what counts
      one.entry.ends = held.pair->ends;
      one.entry.issuer = held.pair->issuer;
    } else {
      one.entry.ends = {};
    }
    all.push_back(std::move(one));
  }
  return all;
}

std::optional<std::string> Renewals::find_next(WallTime now) const {
  std::optional<std::string> next;
  WallTime first = WallTime::max();
  for (const auto& [name, held] : held_) {
    const WallTime at =
        held.is_hastened ? WallTime::min() : acme::find_due(held.entry, life_of(held)).at;
    if (at > now || at >= first) continue;
    first = at;
    next = name;
  }
  return next;
}

bool Renewals::hasten(const std::string& name) {
  Held* const held = find(name);
  if (held == nullptr) return false;
  held->is_hastened = true;
  return true;
}

void Renewals::fail_entry(Entry& entry, const Failure& failure) {
  entry.error = failure.what;
  entry.remedy = failure.remedy;
  entry.not_before = failure.not_before.value_or(WallTime{});
}

net::Awaitable<Renewals::Result> Renewals::attempt(std::string name) {
  Held* held = find(name);
  if (held == nullptr) co_return Result::failed;
  const bool had_one = held->pair.has_value();
  busy_ = name;
  held->is_hastened = false;
  held->entry.attempted = parts_.wire.now();
  ++held->entry.failures;
  fail_entry(held->entry,
             {.what = "the last attempt was cut off", .remedy = "it is tried again by itself"});
  co_await save();
  auto won = co_await win(name);
  busy_.clear();
  held = find(name);  // what is wanted may have changed meanwhile
  if (held == nullptr) co_return Result::failed;
  Entry& entry = held->entry;
  if (!won) {
    fail_entry(entry, won.error());
    co_await save();
    metrics::count(metric::acme_orders, "failed");
    log_.warn(event::acme_failed,
              {{"certificate", name}, {"error", won.error().what}, {"remedy", won.error().remedy}});
    co_return Result::failed;
  }
  held->pair = std::move(won->info);
  entry.issuer = held->pair->issuer;
  entry.issued = entry.attempted;
  entry.ends = held->pair->ends;
  entry.failures = 0;
  entry.is_revoked = false;
  entry.error.clear();
  entry.remedy.clear();
  entry.not_before = {};
  entry.window.reset();
  entry.window_due = {};
  log_.info(event::acme_issued, {{"certificate", name},
                                 {"names", fmt::format("{}", fmt::join(entry.names, ","))},
                                 {"ends", time_text(entry.ends)},
                                 {"issuer", entry.issuer}});
  metrics::count(metric::acme_orders, had_one ? "renewed" : "issued");
  co_await save();
  co_return had_one ? Result::renewed : Result::issued;
}

// The key of before where it is to be kept, or a new one; PEM.
Client::Task<std::string> Renewals::choose_key(std::string name) {
  const Held* const held = find(name);
  bool keeps = settings_.keep_key == config::KeepKey::always;
  if (held == nullptr || !held->pair || held->entry.is_revoked) {
    keeps = false;
  } else if (settings_.keep_key == config::KeepKey::published) {
    const PairInfo pair = *held->pair;
    const auto records = co_await settings_.find_tlsa(pair.names);
    // Where nobody can say, it may be published.
    keeps = !records || is_published(pair, *records);
  }
  auto key = co_await parts_.pool.run([&]() -> posthorn::Result<std::string> {
    if (!keeps) return make_key(settings_.key);
    TRY(const std::string file, pair_file(name));
    TRY(const auto text, parts_.folder.read(file, kPairMax));
    if (!text) return make_key(settings_.key);
    return read_key(*text);
  });
  if (!key) co_return disk_failure(key.error());
  co_return *std::move(key);
}

// From the order to the pair on disk.
Client::Task<Renewals::Won> Renewals::win(std::string name) {
  CO_TRY(const std::string key, co_await choose_key(name));
  const Held* const held = find(name);
  if (held == nullptr) co_return std::unexpected(Failure{.what = "it is not wanted any more"});
  const Wish wish{.names = held->entry.names,
                  .replaces = held->pair ? held->pair->renewal_id : std::string()};
  const auto request = make_request(key, wish.names);
  if (!request)
    co_return std::unexpected(
        Failure{.what = shown(request.error().what), .remedy = "see acme.names and acme.key"});
  CO_TRY(const std::string chain, co_await order(wish, *request));
  auto won = co_await parts_.pool.run([&]() -> posthorn::Result<Won> {
    TRY(std::string text, make_pair({.chain_pem = chain, .key_pem = key, .names = wish.names}));
    TRY_OK(parts_.folder.put_pair(name, text));
    TRY(PairInfo info, read_pair(text));
    return Won{std::move(text), std::move(info)};
  });
  if (won) co_return *std::move(won);
  if (won.error().kind != ErrorKind::protocol) co_return disk_failure(won.error());
  co_return std::unexpected(
      Failure{.what = won.error().what, .remedy = "it is tried again by itself"});
}

// An account that the authority does not take is left, and another one tried, once.
Client::Task<std::string> Renewals::order(const Wish& wish, const std::string& request) {
  for (int tries = 1;; ++tries) {
    const auto account = co_await enter();
    std::optional<Failure> failure;
    if (account) {
      auto chain = co_await client_.issue({(*account)->key, (*account)->url}, wish, request);
      if (chain) co_return chain;
      failure = chain.error();
    } else {
      failure = account.error();
    }
    const bool may_leave = failure->type == kAccountGone || failure->type == kAccountUnknown;
    if (!may_leave || tries == 2) co_return std::unexpected(*std::move(failure));
    co_await leave(failure->type);
  }
}

net::Awaitable<void> Renewals::leave(std::string_view type) {
  const std::string file = account_file(settings_.client.directory);
  const std::shared_ptr<const Account> account = std::exchange(account_, nullptr);
  (void)co_await parts_.pool.run([&]() -> posthorn::Result<> {
    // One that the authority has forgotten is made again with the same key; one that was
    // deactivated is no more, and its key with it.
    if (type == kAccountGone) return parts_.folder.retire(file);
    if (!account) return {};
    const AccountRecord record{settings_.client.directory, "", account->key.pem(),
                               settings_.client.email};
    return parts_.folder.replace(file, write_account_record(record), Folder::Reader::owner);
  });
}

Client::Task<std::shared_ptr<const Renewals::Account>> Renewals::enter() {
  if (!account_) {
    auto found = co_await find_account(account_file(settings_.client.directory));
    if (!found) co_return found;
    account_ = *std::move(found);
  }
  co_return account_;
}

Client::Task<std::shared_ptr<const Renewals::Account>> Renewals::find_account(std::string file) {
  const std::string& directory = settings_.client.directory;
  auto record = co_await parts_.pool.run([&]() -> posthorn::Result<AccountRecord> {
    TRY(const auto text, parts_.folder.read(file, kAccountMax));
    if (text) {
      auto read = read_account_record(*text);
      if (read && read->directory == directory) return read;
    }
    TRY(const AccountKey key, AccountKey::make());
    AccountRecord made{directory, "", key.pem(), settings_.client.email};
    TRY_OK(parts_.folder.replace(file, write_account_record(made), Folder::Reader::owner));
    return made;
  });
  if (!record) co_return disk_failure(record.error());
  auto key = AccountKey::read(record->key_pem);
  if (!key) {
    (void)co_await parts_.pool.run([&] { return parts_.folder.retire(file); });
    co_return std::unexpected(Failure{.what = "the account's key cannot be read",
                                      .remedy = "another account is made with the next attempt"});
  }
  auto account = std::make_shared<Account>(*std::move(key), record->account);
  const bool is_new = account->url.empty();
  if (is_new) {
    CO_TRY(account->url, co_await client_.enter(account->key));
  } else if (record->email != settings_.client.email) {
    CO_TRY_OK(co_await client_.change_contact({account->key, account->url}));
  } else {
    co_return account;
  }
  record->account = account->url;
  record->email = settings_.client.email;
  const auto written = co_await parts_.pool.run([&] {
    return parts_.folder.replace(file, write_account_record(*record), Folder::Reader::owner);
  });
  if (!written) co_return disk_failure(written.error());
  log_.info(event::acme_account, {{"directory", directory}, {"account", account->url}});
  co_return account;
}

Client::Task<> Renewals::revoke(std::string name, Reason reason) {
  const Held* held = find(name);
  if (held == nullptr || !held->pair)
    co_return std::unexpected(Failure{.what = "there is no certificate of that name to revoke",
                                      .remedy = "posthorn certificate list shows which there are"});
  const std::string der = held->pair->der;
  CO_TRY(const auto account, co_await enter());
  CO_TRY_OK(co_await client_.revoke({account->key, account->url}, der, reason));
  log_.warn(event::acme_revoked, {{"certificate", name}});
  if (Held* const still = find(name)) {
    still->entry.is_revoked = true;
    still->is_hastened = true;
    co_await save();
  }
  co_return Attempt<>{};
}

net::Awaitable<void> Renewals::ask_windows() {
  std::vector<std::string> names;
  for (const auto& [name, held] : held_)
    if (held.pair && !held.pair->renewal_id.empty() && held.entry.window_due <= parts_.wire.now())
      names.push_back(name);
  for (const std::string& name : names) {
    const Held* const asked = find(name);
    if (asked == nullptr || !asked->pair) continue;
    const std::string id = asked->pair->renewal_id;
    const auto found = co_await client_.find_window(id);
    Held* const held = find(name);
    if (held == nullptr || !held->pair || held->pair->renewal_id != id) continue;
    Entry& entry = held->entry;
    // What it said before holds while it cannot be asked (RFC 9773 section 4.3.3).
    entry.window_due = parts_.wire.now() + kWindowLater;
    if (!found) continue;
    if (*found) entry.window_due = parts_.wire.now() + (*found)->again;
    const auto before = entry.window;
    entry.window = *found ? std::optional((*found)->window) : std::nullopt;
    const bool is_new = entry.window && (!before || before->start != entry.window->start);
    if (is_new)
      log_.info(event::acme_waiting,
                {{"certificate", name},
                 {"at", time_text(acme::find_due(entry, life_of(*held)).at)},
                 {"reason", entry.window->explanation.empty() ? "the authority's window"
                                                              : entry.window->explanation}});
  }
  if (!names.empty()) co_await save();
}

}  // namespace posthorn::acme
