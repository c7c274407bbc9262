// A connection without a socket: what the client's side of a test put in, the server reads in
// pieces of a chosen size. TLS is a mark only: bytes that lie there when the handshake begins make
// it fail, as they would for OpenSSL.
#pragma once

#include <limits>
#include <memory>
#include <string>

#include "net/stream.h"
#include "net/timer.h"

namespace posthorn::test {

// The wire between the two sides; the test holds one end.
struct MemoryWire {
  explicit MemoryWire(const net::Executor& executor) : news(executor) {}

  std::string to_server, from_server;
  std::size_t piece = std::numeric_limits<std::size_t>::max();
  bool client_closed = false, server_closed = false;
  bool interrupted = false;
  bool handshake_fails = false;
  std::optional<net::TlsInfo> tls;
  const Clock* clock = &Clock::system();  // of the deadlines; who moves it sets news
  net::Event news;                        // for the server's side

  void send(std::string_view bytes) {
    to_server += bytes;
    news.set();
  }
  void close() {
    client_closed = true;
    news.set();
  }
};

class MemoryStream final : public net::Stream {
 public:
  // What a MemoryWire whose connection begins inside TLS holds.
  static inline const net::TlsInfo kTls{"TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, false, {}};

  explicit MemoryStream(std::shared_ptr<MemoryWire> wire, std::string address = "192.0.2.7")
      : wire_(std::move(wire)) {
    peer_.address = std::move(address);
    peer_.port = 40'000;
  }
  ~MemoryStream() override { wire_->server_closed = true; }

  net::Task<std::size_t> read_some(std::span<char> buffer, SteadyTime deadline) override {
    CO_TRY_OK(co_await wait(deadline, false));
    const std::size_t n = std::min({buffer.size(), wire_->to_server.size(), wire_->piece});
    std::copy_n(wire_->to_server.data(), n, buffer.data());
    wire_->to_server.erase(0, n);
    co_return n;
  }
  net::Task<> write(std::string_view bytes, SteadyTime) override {
    if (wire_->server_closed) co_return fail(ErrorKind::closed, "closed");
    wire_->from_server += bytes;
    co_return Result<>{};
  }
  net::Task<> wait_readable(SteadyTime deadline) override {
    co_return co_await wait(deadline, true);
  }
  net::Task<> start_tls(const net::TlsServer&, SteadyTime) override {
    if (wire_->handshake_fails || !wire_->to_server.empty())
      co_return fail(ErrorKind::protocol, "no TLS hello");
    wire_->tls = kTls;
    co_return Result<>{};
  }
  net::Task<> start_tls(const net::TlsClient&, const std::string&, SteadyTime) override {
    co_return fail(ErrorKind::protocol, "a MemoryStream is a server's");
  }
  void interrupt() override {
    wire_->interrupted = true;
    wire_->news.set();
  }
  void close() override {
    wire_->server_closed = true;
    wire_->news.set();
  }
  net::Task<> shut_down(SteadyTime) override {
    close();
    co_return Result<>{};
  }
  const net::Peer& peer() const override { return peer_; }
  const net::Peer& local() const override { return local_; }
  const net::TlsInfo* tls() const override { return wire_->tls ? &*wire_->tls : nullptr; }

 private:
  net::Task<> wait(SteadyTime deadline, bool is_interruptible) {
    while (true) {
      if (is_interruptible && std::exchange(wire_->interrupted, false))
        co_return fail(ErrorKind::temporary, "interrupted");
      if (wire_->server_closed) co_return fail(ErrorKind::closed, "closed");
      if (!wire_->to_server.empty()) co_return Result<>{};
      if (wire_->client_closed) co_return fail(ErrorKind::closed, "the peer closed the connection");
      const auto left = deadline - wire_->clock->steady_now();
      if (left <= 0ms) co_return fail(ErrorKind::timeout, "timed out");
      if (deadline == SteadyTime::max())
        co_await wire_->news.wait(deadline);
      else
        co_await wire_->news.wait_for(std::chrono::ceil<std::chrono::milliseconds>(left));
    }
  }

  std::shared_ptr<MemoryWire> wire_;
  net::Peer peer_, local_;
};

}  // namespace posthorn::test
