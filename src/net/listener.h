// Listener: accepts on one descriptor and starts a session for each connection. Out of descriptors
// who has been silent longest goes, or it pauses and goes on by itself; over a limit it says so to
// the peer in the protocol's words and closes. A flood of callers leaves the loop to the others.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "net/connection_limits.h"
#include "net/scope.h"
#include "net/stream.h"

namespace posthorn::net {

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
  struct Acceptor;
  std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
