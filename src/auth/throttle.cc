#include "auth/throttle.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <fmt/format.h>
#include <tuple>

#include "auth/networks.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kTableMax = 100'000;
constexpr std::size_t kByHandMax = 10'000;
constexpr std::size_t kNameMax = 64;

std::string address_key(const std::string& address) {
  const std::string bytes = address_bytes(address);
  if (bytes.empty()) return "?" + address.substr(0, 64);
  return bytes.size() == 4 ? "4" + bytes : "6" + bytes.substr(0, 8);
}

// An account's name may be long and a stranger's; its hash takes no room.
std::string account_key(const std::string& account) {
  return fmt::format("{:016x}", std::hash<std::string>{}(account));
}

std::string network_of(const std::string& address) {
  const std::string bytes = address_bytes(address);
  return bytes.empty() ? address.substr(0, 64) : bytes.substr(0, bytes.size() == 4 ? 3 : 6);
}

std::string network_key(const Throttle::Who& who) {
  return "u" + account_key(who.account) + network_of(who.address);
}

// The opposite of the keys, for people: "192.0.2.1", "2001:db8::/64", "192.0.2.0/24".
std::string text_of(std::string_view key) {
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

// nullptr also if the last failure was so long ago that it is forgotten.
Throttle::Entry* Throttle::find_current(const std::string& key) {
  Entry* entry = failures_.find(key);
  if (entry == nullptr || !is_over(*entry)) return entry;
  failures_.erase(key);
  return nullptr;
}

bool Throttle::is_banned(const Who& who) {
  const std::string address = address_key(who.address);
  if (is_banned_by_hand(who.address)) return true;
  if (known_.find(address + account_key(who.account)) != nullptr) return false;
  for (const std::string& key : {address, network_key(who)})
    if (const Entry* entry = find_current(key); entry && entry->failures >= config_.failures_max)
      return true;
  return false;
}

std::optional<Throttle::Try> Throttle::begin(const Who& who) {
  const std::string address = address_key(who.address);
  if (known_.find(address + account_key(who.account)) != nullptr) return Try();
  std::vector<std::string> keys = {address, network_key(who)};
  for (const std::string& key : keys) {
    const Entry* entry = find_current(key);
    const auto others = in_flight_.find(key);
    if ((entry ? entry->failures : 0) + (others != in_flight_.end() ? others->second : 0) >=
        config_.failures_max)
      return std::nullopt;
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
  std::size_t failures = 0;
  for (const std::string& key : {address_key(who.address), network_key(who)}) {
    const bool is_new = find_current(key) == nullptr;
    Entry& entry = failures_.use(key);
    if (is_new) entry.account = account;
    if (entry.account != account) entry.account.clear();
    if (key.starts_with('u')) entry.name = who.account.substr(0, kNameMax);
    entry.last = clock_.steady_now();
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
  if (address_bytes(address).empty()) return false;
  const std::string key = address_key(address);
  if (by_hand_.size() >= kByHandMax && !by_hand_.contains(key)) {
    std::erase_if(by_hand_,
                  [now = clock_.steady_now()](const auto& one) { return one.second.until <= now; });
    if (by_hand_.size() >= kByHandMax) return false;
  }
  by_hand_[key] = {text_of(key), clock_.steady_now() + time};
  return true;
}

bool Throttle::is_banned_by_hand(const std::string& address) {
  if (by_hand_.empty()) return false;
  const auto found = by_hand_.find(address_key(address));
  if (found == by_hand_.end()) return false;
  if (found->second.until > clock_.steady_now()) return true;
  by_hand_.erase(found);
  return false;
}

bool Throttle::unban(std::string_view given) {
  const std::string address(given.substr(0, given.find('/')));
  if (address_bytes(address).empty()) return false;
  const std::string own = address_key(address), network = network_of(address);
  bool was_banned = is_banned_by_hand(address);
  by_hand_.erase(own);
  std::vector<std::string> keys;
  for (const Entry& entry : failures_.order) {
    if (entry.key != own && (!entry.key.starts_with('u') || entry.key.substr(17) != network))
      continue;
    was_banned |= entry.failures >= config_.failures_max && !is_over(entry);
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
    if (entry.failures >= config_.failures_max && !is_over(entry))
      found.push_back(
          {text_of(entry.key), entry.name, whole(entry.last + config_.ban - now), entry.failures});
  std::ranges::sort(found, [](const Ban& a, const Ban& b) {
    return std::tie(b.left, a.who, a.account) < std::tie(a.left, b.who, b.account);
  });
  return found;
}

}  // namespace posthorn::auth
