#include "tests/support/fake_server.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace posthorn::test {
namespace {

void must(bool good) {
  if (!good) {
    std::perror("a fake server");
    std::abort();
  }
}

std::uint16_t bind_loopback(int fd, const std::string& host = "127.0.0.1", std::uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  must(inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1);
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  must(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t length = sizeof address;
  must(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

}  // namespace

Wire::~Wire() {
  close();
}

bool Wire::wait(short events) {
  while (true) {
    std::array<pollfd, 2> waiting{{{fd_, events, 0}, {stop_fd_, POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), 2, 30'000);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || waiting[1].revents != 0) return false;
    return true;
  }
}

bool Wire::start_tls(const net::TlsServer& tls) {
  const auto context = tls.context();
  ssl_ = SSL_new(context.get());
  SSL_set_fd(ssl_, fd_);
  while (true) {
    const int done = SSL_accept(ssl_);
    if (done == 1) return true;
    const int error = SSL_get_error(ssl_, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
    if (!wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return false;
  }
}

bool Wire::fill() {
  std::array<char, 65'536> buffer{};
  while (fd_ >= 0) {
    if (ssl_ != nullptr) {
      const int n = SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
      if (n > 0) {
        in_.append(buffer.data(), static_cast<std::size_t>(n));
        return true;
      }
      const int error = SSL_get_error(ssl_, n);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
      if (!wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return false;
      continue;
    }
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      in_.append(buffer.data(), static_cast<std::size_t>(n));
      return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) return false;
    if (!wait(POLLIN)) return false;
  }
  return false;
}

std::optional<std::string> Wire::line() {
  std::size_t end = 0;
  while ((end = in_.find('\n')) == std::string::npos)
    if (!fill()) return std::nullopt;
  std::string line = in_.substr(0, end + 1);
  in_.erase(0, end + 1);
  return line;
}

std::string Wire::some() {
  if (in_.empty()) (void)fill();
  return std::exchange(in_, {});
}

std::string Wire::bytes(std::size_t count) {
  while (in_.size() < count)
    if (!fill()) break;
  std::string bytes = in_.substr(0, count);
  in_.erase(0, bytes.size());
  return bytes;
}

bool Wire::say(std::string_view text) {
  while (!text.empty()) {
    if (fd_ < 0) return false;
    if (ssl_ != nullptr) {
      const int n = SSL_write(ssl_, text.data(), static_cast<int>(text.size()));
      if (n > 0) {
        text.remove_prefix(static_cast<std::size_t>(n));
        continue;
      }
      const int error = SSL_get_error(ssl_, n);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
      if (!wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return false;
      continue;
    }
    const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
    if (!wait(POLLOUT)) return false;
  }
  return true;
}

void Wire::stall() {
  while (fill()) in_.clear();
}

bool Wire::pause(std::chrono::milliseconds time) {
  pollfd waiting{stop_fd_, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(time.count())) == 0;
}

void Wire::half_close() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_WR);
}

void Wire::close() {
  if (ssl_ != nullptr) SSL_free(std::exchange(ssl_, nullptr));
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Wire::reset() {
  const linger now{1, 0};
  if (fd_ >= 0) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

std::string Wire::server_name() const {
  const char* name =
      ssl_ == nullptr ? nullptr : SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

std::string Wire::peer() const {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  std::array<char, INET_ADDRSTRLEN> text{};
  if (fd_ < 0 || ::getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      address.sin_family != AF_INET)
    return {};
  return inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
}

FakeServer::FakeServer(Serve serve, Where where)
    : serve_(std::move(serve)), where_(std::move(where)) {
  std::array<int, 2> ends{};
  must(::pipe2(ends.data(), O_CLOEXEC) == 0);
  stop_read_ = File(ends[0]);
  stop_write_ = File(ends[1]);
  if (where_.unix_path.empty()) {
    listening_ = File(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    must(listening_.is_open());
    where_.port = bind_loopback(listening_.fd(), where_.host, where_.port);
    must(::listen(listening_.fd(), 128) == 0);
  } else {
    auto bound = net::bind_socket(net::UnixAddress{where_.unix_path});
    must(bound.has_value());
    listening_ = *std::move(bound);
  }
  must(::fcntl(listening_.fd(), F_SETFL, ::fcntl(listening_.fd(), F_GETFL) | O_NONBLOCK) == 0);
  acceptor_ = std::thread([this] { accept(); });
}

FakeServer::~FakeServer() {
  stop();
}

net::Address FakeServer::address() const {
  if (!where_.unix_path.empty()) return net::UnixAddress{where_.unix_path};
  return net::TcpAddress{where_.host, where_.port};
}

void FakeServer::accept() {
  while (true) {
    std::array<pollfd, 2> waiting{{{listening_.fd(), POLLIN, 0}, {stop_read_.fd(), POLLIN, 0}}};
    if (::poll(waiting.data(), 2, -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    const int fd = ::accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) continue;
    const int one = 1;  // replies of one line each must not wait for one another
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const std::size_t number = connections_++;
    ++open_;
    sessions_.emplace_back([this, fd, number] {
      {
        Wire wire(fd, stop_read_.fd());
        serve_(wire, number);
      }
      --open_;
    });
  }
}

void FakeServer::stop() {
  if (!acceptor_.joinable()) return;
  (void)!::write(stop_write_.fd(), "x", 1);
  acceptor_.join();
  for (std::thread& session : sessions_) session.join();
  listening_.close();
}

ClosedPort::ClosedPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  must(socket_.is_open());
  port_ = bind_loopback(socket_.fd());
}

SilentPort::SilentPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  must(socket_.is_open());
  port_ = bind_loopback(socket_.fd());
  must(::listen(socket_.fd(), 0) == 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  for (int i = 0; i < 4; ++i) {
    fillers_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)!::connect(fillers_.back().fd(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    pollfd made{fillers_.back().fd(), POLLOUT, 0};
    (void)::poll(&made, 1, 20);
  }
}

}  // namespace posthorn::test
