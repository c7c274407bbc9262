#include "net/connection_limits.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/assert.h"
#include "base/metrics.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kGroupsMax = 100'000;
constexpr std::size_t kLevels = 5;  // all, service, address, the network around it, and around that
// Who is in the middle of its handshake or its next command over a slow line is not silent; and who
// feeds a byte now and then, and does not log in, is, after a while.
constexpr auto kSilenceMin = 500ms;
constexpr auto kGraceMax = 10s;

}  // namespace

// Connections that share a bound. Those that may have to go stand in the order in which they began
// to wait.
struct ConnectionLimits::Group {
  std::size_t max = 0;
  std::string_view bound;  // its name among the metrics
  std::size_t open = 0;
  Connection* first = nullptr;  // silent longest
  Connection* last = nullptr;
  double allowance = 0;  // of an address: the new ones it may still make now; full in a minute
  SteadyTime counted{};
};

struct ConnectionLimits::Slot::Connection final : PeerWatch {
  Connection(ConnectionLimits& l, std::function<void()> f)
      : limits(l), turn_away(std::move(f)), opened(l.options_.clock.steady_now()) {}
  ~Connection() override { leave(); }

  void begin_wait() override {
    if (is_waiting || !is_stranger) return;
    is_waiting = true;
    since = limits.options_.clock.steady_now();
    for (std::size_t level = 0; level < kLevels; ++level) {
      Group* group = groups[level];
      if (group == nullptr) continue;
      hooks[level] = {group->last, nullptr};
      (group->last != nullptr ? group->last->hooks[level].next : group->first) = this;
      group->last = this;
    }
  }

  void end_wait() override {
    if (!is_waiting) return;
    is_waiting = false;
    for (std::size_t level = 0; level < kLevels; ++level) {
      Group* group = groups[level];
      if (group == nullptr) continue;
      auto& [previous, next] = hooks[level];
      (previous != nullptr ? previous->hooks[level].next : group->first) = next;
      (next != nullptr ? next->hooks[level].previous : group->last) = previous;
    }
  }

  // From now on it is one of the account's; the networks count strangers.
  void log_in() override {
    end_wait();
    if (!is_stranger) return;
    is_stranger = false;
    for (std::size_t level = kLevels - 2; level < kLevels; ++level)
      if (Group* group = std::exchange(groups[level], nullptr)) --group->open;
  }

  void leave() {
    end_wait();
    is_stranger = false;  // whatever it still waits for
    for (Group*& group : groups)
      if (Group* left = std::exchange(group, nullptr)) --left->open;
  }

  struct Hook {
    Connection* previous = nullptr;
    Connection* next = nullptr;
  };
  ConnectionLimits& limits;
  std::function<void()> turn_away;
  SteadyTime opened, since{};
  bool is_waiting = false;
  bool is_stranger = true;
  std::array<Group*, kLevels> groups{};
  std::array<Hook, kLevels> hooks{};
};

ConnectionLimits::Slot::Slot() = default;
ConnectionLimits::Slot::Slot(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
ConnectionLimits::Slot::Slot(Slot&& other) noexcept = default;
ConnectionLimits::Slot& ConnectionLimits::Slot::operator=(Slot&& other) noexcept = default;
ConnectionLimits::Slot::~Slot() = default;
PeerWatch* ConnectionLimits::Slot::watch() {
  return connection_.get();
}

ConnectionLimits::ConnectionLimits(Options options)
    : options_(std::move(options)),
      all_(&group_of("all", options_.connections_max, "connections")) {}

ConnectionLimits::~ConnectionLimits() {
  ASSERT(all_->open == 0);  // the slots died first
}

std::size_t ConnectionLimits::connections() const {
  return all_->open;
}

ConnectionLimits::Group& ConnectionLimits::group_of(const std::string& key, std::size_t max,
                                                    std::string_view bound) {
  auto& group = groups_[key];
  if (!group) {
    group = std::make_unique<Group>();
    group->max = max;
    group->bound = bound;
    group->allowance = static_cast<double>(options_.per_minute_max);
    group->counted = options_.clock.steady_now();
  }
  return *group;
}

bool ConnectionLimits::has_allowance(Group& address) {
  const SteadyTime now = options_.clock.steady_now();
  const auto limit = static_cast<double>(options_.per_minute_max);
  const double seconds = std::chrono::duration<double>(now - address.counted).count();
  address.allowance = std::min(limit, address.allowance + seconds * limit / 60);
  address.counted = now;
  return address.allowance >= 1;
}

// Networks without a connection whose minute is over.
void ConnectionLimits::forget_idle() {
  const SteadyTime now = options_.clock.steady_now();
  const auto is_unused = [this](const auto& entry) {
    return entry.second->open == 0 && entry.second.get() != all_;
  };
  std::erase_if(groups_, [&](const auto& entry) {
    return is_unused(entry) && now - entry.second->counted > 1min;
  });
  if (groups_.size() >= kGroupsMax)  // a flood from everywhere: the counts of who is gone
    std::erase_if(groups_, is_unused);
}

// nullptr: nobody has been silent for long enough.
ConnectionLimits::Connection* ConnectionLimits::find_to_go(const Group& group) const {
  Connection* const longest = group.first;
  if (longest == nullptr) return nullptr;
  const SteadyTime now = options_.clock.steady_now();
  const bool is_silent = now - longest->since >= kSilenceMin || now - longest->opened >= kGraceMax;
  return is_silent ? longest : nullptr;
}

void ConnectionLimits::turn_away(Connection& connection) {
  metrics::count(metric::limits_hit, "silent");
  connection.leave();
  connection.turn_away();
}

bool ConnectionLimits::make_room() {
  Connection* const longest = find_to_go(*all_);
  if (longest != nullptr) turn_away(*longest);
  return longest != nullptr;
}

std::expected<ConnectionLimits::Slot, ConnectionLimits::Refusal> ConnectionLimits::take(
    const Peer& peer, std::string_view service, std::function<void()> turn_away_peer) {
  if (groups_.size() >= kGroupsMax) forget_idle();
  std::array<Group*, kLevels> groups{};
  groups[0] = all_;
  if (service.ends_with('s')) service.remove_suffix(1);  // imaps, pop3s, submissions
  groups[1] =
      &group_of("service " + std::string(service), options_.per_service_max, "connections_service");
  const bool is_exempt = (peer.is_loopback && options_.loopback_exempt) ||
                         (options_.exempt && options_.exempt(peer.address));
  in6_addr v6{};
  in_addr v4{};
  const auto prefix = [](const auto& address, std::size_t bytes) {
    return std::string(reinterpret_cast<const char*>(&address), bytes);
  };
  const auto address = [&](const std::string& key) {
    groups[2] = &group_of(key, options_.per_address_max, "connections_address");
  };
  const auto network = [&](std::size_t level, const std::string& key, std::size_t max) {
    groups[level] = &group_of(key, max, "connections_network");
  };
  if (is_exempt) {
  } else if (inet_pton(AF_INET6, peer.address.c_str(), &v6) == 1) {
    address("64 " + prefix(v6, 8));
    network(3, "56 " + prefix(v6, 7), options_.per_ipv6_56_max);
    network(4, "48 " + prefix(v6, 6), options_.per_ipv6_48_max);
  } else if (inet_pton(AF_INET, peer.address.c_str(), &v4) == 1) {
    address("32 " + prefix(v4, 4));
    network(3, "24 " + prefix(v4, 3), options_.per_ipv4_24_max);
  } else {
    address("uid " + std::to_string(peer.uid.value_or(0)));
  }
  // A program of this machine may have a pile of mail to send.
  const bool is_rated = groups[2] != nullptr && !peer.uid;
  if (is_rated && !has_allowance(*groups[2])) return std::unexpected(Refusal{"connections_rate"});
  for (const Group* group : groups)  // all of them, before one is ended for nothing
    if (group != nullptr && group->open >= group->max && find_to_go(*group) == nullptr)
      return std::unexpected(Refusal{group->bound});
  for (const Group* group : groups)
    if (group != nullptr && group->open >= group->max) {
      if (Connection* longest = find_to_go(*group)) turn_away(*longest);
    }
  if (is_rated) groups[2]->allowance -= 1;
  auto connection = std::make_unique<Connection>(*this, std::move(turn_away_peer));
  connection->groups = groups;
  for (Group* group : groups)
    if (group != nullptr) ++group->open;
  return Slot(std::move(connection));
}

}  // namespace posthorn::net
