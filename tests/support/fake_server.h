// A server on loopback for tests: each connection is served by a function on a thread of its own,
// with blocking calls on plain sockets, so that nothing of the code under test tests itself. It can
// stall, reset and cut; ending the server wakes all that wait.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/file.h"
#include "net/socket.h"
#include "net/tls.h"

struct ssl_st;

namespace posthorn::test {

// One accepted connection. Every call gives up (false, nullopt, empty) when the peer went or the
// server ends.
class Wire {
 public:
  Wire(int fd, int stop_fd) : fd_(fd), stop_fd_(stop_fd) {}
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  bool start_tls(const net::TlsServer& tls);
  // With its line end, as it came.
  std::optional<std::string> line();
  // What is there, at least one byte.
  std::string some();
  // Exactly count bytes, or fewer at the end.
  std::string bytes(std::size_t count);
  bool say(std::string_view text);
  void stall();  // until the peer goes
  bool pause(std::chrono::milliseconds time);
  void half_close();
  void close();
  void reset();
  bool is_open() const { return fd_ >= 0; }
  std::string server_name() const;  // what SNI asked for
  std::string peer() const;         // the literal address that it came from

 private:
  bool wait(short events);
  bool fill();

  int fd_;
  int stop_fd_;
  ssl_st* ssl_ = nullptr;
  std::string in_;
};

class FakeServer {
 public:
  using Serve = std::function<void(Wire& wire, std::size_t number)>;  // number: from 0
  struct Where {
    Path unix_path;  // empty: TCP
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;  // 0: the system's choice
  };
  explicit FakeServer(Serve serve) : FakeServer(std::move(serve), Where{}) {}
  FakeServer(Serve serve, Where where);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::uint16_t port() const { return where_.port; }
  net::Address address() const;
  std::size_t connections() const { return connections_; }
  std::size_t open() const { return open_; }  // being served now
  void stop();

 private:
  void accept();

  Serve serve_;
  Where where_;
  File listening_;
  File stop_read_, stop_write_;
  std::atomic<std::size_t> connections_{0}, open_{0};
  std::thread acceptor_;
  std::list<std::thread> sessions_;  // of the acceptor, until it was joined
};

// A port of loopback where nobody listens and nobody else can.
class ClosedPort {
 public:
  ClosedPort();
  std::uint16_t port() const { return port_; }

 private:
  File socket_;
  std::uint16_t port_ = 0;
};

// A port whose queue is full: a connection to it is neither made nor refused.
class SilentPort {
 public:
  SilentPort();
  std::uint16_t port() const { return port_; }

 private:
  File socket_;
  std::list<File> fillers_;
  std::uint16_t port_ = 0;
};

}  // namespace posthorn::test
