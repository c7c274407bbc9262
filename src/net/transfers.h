// Transfers: libcurl's multi interface on the role's own loop, for whoever has bytes to move by it:
// whole HTTP requests (net/http_client.h), and connections whose bytes are moved by their owner
// (net/raw_exchange.h). It decides nothing: what a transfer may do, its owner sets on the handle.
#pragma once

#include <memory>

#include "net/scope.h"

using CURL = void;  // as curl/curl.h has it for those who do not build libcurl

namespace posthorn::net {

class Transfers {
 public:
  explicit Transfers(Scope& scope);
  ~Transfers();  // stop(); no Transfer lives any more
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // What is under way ends with closed, and so does whatever is begun from now on.
  void stop();
  Scope& scope() const;

  struct State;
  std::shared_ptr<State> state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

// One transfer: an easy handle of its own, in the multi from begin() until it goes.
class Transfer {
 public:
  explicit Transfer(Transfers& transfers);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* easy() const;
  void begin();
  // Until libcurl is done with it; its CURLcode. timeout at the deadline, closed by stop().
  Task<int> end(SteadyTime deadline);
  // Called by stop(), once: for who waits elsewhere than in end().
  void on_stop(std::function<void()> stopped);

 private:
  struct State;
  const std::shared_ptr<Transfers::State> all_;
  const std::shared_ptr<State> state_;
  friend class Transfers;
};

}  // namespace posthorn::net
