#include "auth/throttle.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <fmt/format.h>
#include <tuple>

#include "net/networks.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kTableMax = 100'000;
constexpr std::size_t kByHandMax = 10'000;
constexpr std::size_t kNameMax = 64;

std::string address_key(const std::string& address) {
  const std::string bytes = net::address_bytes(address);
  if (bytes.empty()) return "?" + address.substr(0, 64);
  return bytes.size() == 4 ? "4" + bytes : "6" + bytes.substr(0, 8);
}

// An account's name may be long and a stranger's; its hash takes no room.
std::string account_key(const std::string& account) {
  return fmt::format("{:016x}", std::hash<std::string>{}(account));
}

std::string network_of(const std::string& address) {
  const std::string bytes = net::address_bytes(address);
  return bytes.empty() ? address.substr(0, 64) : bytes.substr(0, bytes.size() == 4 ? 3 : 6);
}

std::string network_key(const Throttle::Who& who) {
  return "u" + account_key(who.account) + network_of(who.address);
}

// Of an account at an address where it once logged in.
std::string pair_key(const Throttle::Who& who) {
  return "k" + account_key(who.account) + address_key(who.address);
}

// The opposite of the keys, for people: "192.0.2.1", "2001:db8::/64", "192.0.2.0/24".
std::string text_of(std::string_view key) {
  if (key.starts_with('k')) key.remove_prefix(17);
  const bool is_account = key.starts_with('u');
  const std::string_view bytes = key.substr(is_account ? 17 : 1);
  if (key.starts_with('?')) return std::string(bytes);
  const bool is_v4 = is_account ? bytes.size() == 3 : key.starts_with('4');
  if (is_account && !is_v4 && bytes.size() != 6) return std::string(bytes);
  std::array<char, 16> whole{};
  std::ranges::copy(bytes, whole.begin());
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_ntop(is_v4 ? AF_INET : AF_INET6, whole.data(), text.data(), text.size()) == nullptr)
    return {};
  const std::string_view length = is_v4 ? (is_account ? "/24" : "") : is_account ? "/48" : "/64";
  return std::string(text.data()) + std::string(length);
}

}  // namespace

Throttle::Entry* Throttle::Lru::find(const std::string& key) {
  const auto found = index.find(key);
  if (found == index.end()) return nullptr;
  order.splice(order.begin(), order, found->second);
  return &*found->second;
}

Throttle::Entry& Throttle::Lru::use(const std::string& key) {
  if (Entry* entry = find(key)) return *entry;
  if (order.size() >= kTableMax) {
    index.erase(order.back().key);
    order.pop_back();
  }
  order.push_front({.key = key, .failures = 0, .last = {}, .account = {}, .name = {}});
  index.emplace(order.front().key, order.begin());
  return order.front();
}

void Throttle::Lru::erase(const std::string& key) {
  const auto found = index.find(key);
  if (found == index.end()) return;
  const auto entry = found->second;
  index.erase(found);
  order.erase(entry);
}

bool Throttle::is_over(const Entry& entry) const {
  return clock_.steady_now() - entry.last > config_.ban;
}

bool Throttle::is_known(const Who& who) {
  return known_.find(address_key(who.address) + account_key(who.account)) != nullptr;
}

// Whose failures count against such a try, each with how many there may be.
std::vector<Throttle::Bound> Throttle::bounds_of(const Who& who) {
  if (is_known(who)) return {{pair_key(who), known_failures_max()}};
  return {{address_key(who.address), config_.failures_max},
          {network_key(who), config_.failures_max}};
}

std::size_t Throttle::bound_of(const Entry& entry) const {
  return entry.key.starts_with('k') ? known_failures_max() : config_.failures_max;
}

// An account's failures where it is known run off one by one, as many as any address may make.
std::chrono::milliseconds Throttle::run_off_time() const {
  return config_.ban / static_cast<std::int64_t>(config_.failures_max);
}

void Throttle::run_off(Entry& entry) const {
  const auto each = run_off_time();
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady_now() - entry.last);
  const auto gone = each > 0ms ? static_cast<std::size_t>(passed / each) : entry.failures;
  entry.last += each * static_cast<std::int64_t>(gone);
  entry.failures -= std::min(entry.failures, gone);
}

// Of the ban that follows from it; none: 0.
std::chrono::milliseconds Throttle::time_left(Entry entry) const {
  auto end = entry.last + config_.ban;
  if (entry.key.starts_with('k')) {
    run_off(entry);
    end = entry.last +
          run_off_time() * static_cast<std::int64_t>(entry.failures + 1 -
                                                     std::min(entry.failures, bound_of(entry)));
  }
  if (entry.failures < bound_of(entry)) return 0ms;
  return std::max<std::chrono::milliseconds>(
      0ms, std::chrono::duration_cast<std::chrono::milliseconds>(end - clock_.steady_now()));
}

// nullptr also if the last failure was so long ago that it is forgotten.
Throttle::Entry* Throttle::find_current(const std::string& key) {
  Entry* entry = failures_.find(key);
  if (entry == nullptr) return nullptr;
  if (key.starts_with('k')) {
    run_off(*entry);
    if (entry->failures > 0) return entry;
  } else if (!is_over(*entry)) {
    return entry;
  }
  failures_.erase(key);
  return nullptr;
}

std::size_t Throttle::failures_of(const Bound& bound) {
  const Entry* entry = find_current(bound.key);
  return entry == nullptr ? 0 : entry->failures;
}

bool Throttle::is_banned(const Who& who) {
  if (is_banned_by_hand(who.address)) return true;
  return std::ranges::any_of(bounds_of(who), [this](const Bound& bound) {
    return failures_of(bound) >= bound.failures_max;
  });
}

std::vector<Throttle::Standing> Throttle::standings(const Who& who) {
  std::vector<Standing> found;
  for (const Bound& bound : bounds_of(who)) {
    const std::size_t failures = failures_of(bound);
    const Entry* entry = failures > 0 ? find_current(bound.key) : nullptr;
    found.push_back({text_of(bound.key), !bound.key.starts_with('4') && !bound.key.starts_with('6'),
                     failures, bound.failures_max, entry ? time_left(*entry) : 0ms});
  }
  return found;
}

std::chrono::milliseconds Throttle::ban_left(const Who& who) {
  std::chrono::milliseconds left = 0ms;
  for (const Bound& bound : bounds_of(who))
    if (const Entry* entry = find_current(bound.key)) left = std::max(left, time_left(*entry));
  return left;
}

std::optional<Throttle::Try> Throttle::begin(const Who& who) {
  std::vector<std::string> keys;
  for (Bound& bound : bounds_of(who)) {
    const auto others = in_flight_.find(bound.key);
    if (failures_of(bound) + (others != in_flight_.end() ? others->second : 0) >=
        bound.failures_max)
      return std::nullopt;
    keys.push_back(std::move(bound.key));
  }
  for (const std::string& key : keys) ++in_flight_[key];
  return Try(this, std::move(keys));
}

void Throttle::Try::end() {
  Throttle* throttle = std::exchange(throttle_, nullptr);
  if (throttle == nullptr) return;
  for (const std::string& key : keys_)
    if (const auto found = throttle->in_flight_.find(key); --found->second == 0)
      throttle->in_flight_.erase(found);
}

std::chrono::milliseconds Throttle::fail(const Who& who) {
  const std::string account = account_key(who.account);
  std::vector<std::string> keys = {address_key(who.address), network_key(who)};
  if (is_known(who)) keys.push_back(pair_key(who));
  std::size_t failures = 0;
  for (const std::string& key : keys) {
    const bool is_pair = key.starts_with('k');
    const bool is_new = find_current(key) == nullptr;
    Entry& entry = failures_.use(key);
    if (is_new) entry.account = account;
    if (entry.account != account) entry.account.clear();
    if (is_pair || key.starts_with('u')) entry.name = who.account.substr(0, kNameMax);
    if (is_new || !is_pair) entry.last = clock_.steady_now();
    failures = std::max(failures, ++entry.failures);
  }
  if (failures <= 3) return 0ms;
  return std::min<std::chrono::milliseconds>(15s,
                                             1s * (1 << std::min<std::size_t>(failures - 4, 4)));
}

// Forgives the account, and the address only what was this account's: who has an account of his
// own must not wash himself clean between guesses at others.
void Throttle::succeed(const Who& who) {
  const std::string address = address_key(who.address);
  failures_.erase(network_key(who));
  if (const Entry* entry = failures_.find(address);
      entry != nullptr && entry->account == account_key(who.account))
    failures_.erase(address);
  known_.use(address + account_key(who.account));
}

bool Throttle::ban(const std::string& address, std::chrono::milliseconds time) {
  if (net::address_bytes(address).empty()) return false;
  const std::string key = address_key(address);
  if (by_hand_.size() >= kByHandMax && !by_hand_.contains(key)) {
    std::erase_if(by_hand_,
                  [now = clock_.steady_now()](const auto& one) { return one.second.until <= now; });
    if (by_hand_.size() >= kByHandMax) return false;
  }
  by_hand_[key] = {text_of(key), clock_.steady_now() + time};
  return true;
}

std::chrono::milliseconds Throttle::hand_ban_left(const std::string& address) {
  if (by_hand_.empty()) return 0ms;
  const auto found = by_hand_.find(address_key(address));
  if (found == by_hand_.end()) return 0ms;
  const SteadyTime now = clock_.steady_now();
  if (found->second.until > now)
    return std::chrono::ceil<std::chrono::milliseconds>(found->second.until - now);
  by_hand_.erase(found);
  return 0ms;
}

bool Throttle::unban(std::string_view given) {
  const std::string address(given.substr(0, given.find('/')));
  if (net::address_bytes(address).empty()) return false;
  const std::string own = address_key(address), network = network_of(address);
  bool was_banned = is_banned_by_hand(address);
  by_hand_.erase(own);
  std::vector<std::string> keys;
  for (const Entry& entry : failures_.order) {
    const bool is_its = entry.key.starts_with('u')   ? entry.key.substr(17) == network
                        : entry.key.starts_with('k') ? entry.key.substr(17) == own
                                                     : entry.key == own;
    if (!is_its) continue;
    was_banned |= time_left(entry) > 0ms;
    keys.push_back(entry.key);
  }
  for (const std::string& key : keys) failures_.erase(key);
  return was_banned;
}

std::vector<Ban> Throttle::bans() const {
  const SteadyTime now = clock_.steady_now();
  const auto whole = [](auto time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time);
  };
  std::vector<Ban> found;
  for (const auto& [key, one] : by_hand_)
    if (one.until > now) found.push_back({one.address, "", whole(one.until - now), 0});
  for (const Entry& entry : failures_.order)
    if (const auto left = time_left(entry); left > 0ms)
      found.push_back({text_of(entry.key), entry.name, left, entry.failures});
  std::ranges::sort(found, [](const Ban& a, const Ban& b) {
    return std::tie(b.left, a.who, a.account) < std::tie(a.left, b.who, b.account);
  });
  return found;
}

}  // namespace posthorn::auth
