// Listener: accepts on one descriptor and starts a session for each connection. Out of descriptors
// it pauses and goes on by itself; over a limit it says so to the peer in the protocol's words and
// closes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/file.h"
#include "net/scope.h"
#include "net/stream.h"

namespace posthorn::net {

// Connections in all and an address (IPv4 /32, IPv6 /64), shared by the listeners of a role.
// New ones of an address are counted over a minute too. Loopback and the addresses of exempt know
// no bound but the one in all, if so set.
class ConnectionLimits {
 public:
  struct Options {
    std::size_t connections_max = 10'000;
    std::size_t per_address_max = 50;
    std::size_t per_minute_max = 60;
    bool loopback_exempt = true;
    std::function<bool(const std::string& address)> exempt = {};
  };
  explicit ConnectionLimits(Options options) : options_(std::move(options)) {}

  class Slot {  // gives its place back when it dies
   public:
    Slot() = default;
    Slot(ConnectionLimits& limits, std::string key);
    Slot(Slot&& other) noexcept;
    Slot& operator=(Slot&& other) noexcept;
    ~Slot();

   private:
    ConnectionLimits* limits_ = nullptr;
    std::string key_;
  };
  std::optional<Slot> take(const Peer& peer);
  std::size_t connections() const { return connections_; }

 private:
  Options options_;
  std::size_t connections_ = 0;
  struct Count {
    std::size_t open = 0;
    double allowance = 0;  // new connections it may still make now; fills up in a minute
    SteadyTime counted{};
  };
  void forget_idle(SteadyTime now);
  std::unordered_map<std::string, Count> per_address_;
};

class Listener {
 public:
  struct Options {
    std::string name;  // for the log: "smtp", "imaps"
    std::string refusal =
        {};  // what a peer over a limit is told: "421 4.7.0 Too many connections\r\n"
    ConnectionLimits* limits = nullptr;
  };
  // session owns the stream; it is spawned in the scope.
  using Session = std::function<Awaitable<void>(StreamPtr)>;

  Listener(Scope& scope, File listening, Options options, Session session);
  ~Listener();
  void start();
  void stop();  // no more accepts; the sessions go on
  std::uint16_t port() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
