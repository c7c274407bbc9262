// ConnectionLimits: how many connections a role holds, in all, of a service, of an address and of
// the networks around it, so that neither one customer of a provider nor many strangers together
// shut everybody else out. At a bound the connection gives way that has waited longest for its
// peer and has not logged in; only where there is none is the newcomer refused. Nothing here takes
// longer for more connections.
#pragma once

#include <array>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "net/stream.h"

namespace posthorn::net {

// What a stream tells of its peer to who counts it.
class PeerWatch {
 public:
  virtual ~PeerWatch() = default;
  virtual void begin_wait() = 0;  // for the peer: to say something, or to read what was written
  virtual void end_wait() = 0;
  virtual void log_in() = 0;
};

class ConnectionLimits {
 public:
  struct Options {
    std::size_t connections_max = 10'000;
    std::size_t per_service_max = 1'000'000;
    std::size_t per_address_max = 50;   // IPv4 /32, IPv6 /64, Unix: an account
    std::size_t per_minute_max = 60;    // new ones of an address
    std::size_t per_ipv4_24_max = 500;  // these three: of who has not logged in
    std::size_t per_ipv6_56_max = 200;
    std::size_t per_ipv6_48_max = 1'000;
    bool loopback_exempt = true;  // from the bounds by address
    std::function<bool(const std::string& address)> exempt = {};
    const Clock& clock = Clock::system();
  };
  explicit ConnectionLimits(Options options);
  ~ConnectionLimits();
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  class Slot {  // gives its place back when it dies, which is after the stream's end
   public:
    Slot();
    Slot(Slot&& other) noexcept;
    Slot& operator=(Slot&& other) noexcept;
    ~Slot();
    PeerWatch* watch();

   private:
    friend class ConnectionLimits;
    struct Connection;
    explicit Slot(std::unique_ptr<Connection> connection);
    std::unique_ptr<Connection> connection_;
  };
  // Which bound it would exceed, by its name among the metrics.
  struct Refusal {
    std::string_view bound;
  };
  // service: a listener's name; the one that begins with TLS counts with the one that does not.
  // turn_away ends the connection when it has to give way to another one.
  std::expected<Slot, Refusal> take(const Peer& peer, std::string_view service,
                                    std::function<void()> turn_away);
  // Ends the one that is silent longest, whatever there is room for. False: nobody is to go.
  bool make_room();
  std::size_t connections() const;

 private:
  using Connection = Slot::Connection;
  struct Group;
  Group& group_of(const std::string& key, std::size_t max, std::string_view bound);
  Connection* find_to_go(const Group& group) const;
  void turn_away(Connection& connection);
  bool has_allowance(Group& address);
  void forget_idle();

  Options options_;
  std::unordered_map<std::string, std::unique_ptr<Group>> groups_;
  Group* all_;
};

}  // namespace posthorn::net
