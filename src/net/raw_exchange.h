// RawExchange: a connection that libcurl makes (CURLOPT_CONNECT_ONLY) and whose bytes its owner
// moves: for protocols that are like HTTP and are not it. One question and one answer; it is never
// used again.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "net/socket.h"
#include "net/transfers.h"

namespace posthorn::net {

class RawExchange {
 public:
  struct Options {
    std::string peer;  // who it is, in front of what went wrong: "spamd"
    std::chrono::milliseconds timeout;
    std::size_t answer_max = 1U << 20U;
  };
  RawExchange(Transfers& transfers, const Address& address, Options options);
  ~RawExchange();
  RawExchange(const RawExchange&) = delete;
  RawExchange& operator=(const RawExchange&) = delete;

  Task<> connect();
  Task<> send(std::string_view bytes);
  // Up to the end of the connection.
  Task<std::string> receive();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace posthorn::net
