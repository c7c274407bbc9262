#include "net/socket_stream.h"

#include <arpa/inet.h>
#include <asio/experimental/as_tuple.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/challenge_certificate.h"
#include "net/tls.h"
#include "net/tls_error.h"

namespace posthorn::net {

// Outlives the stream while a timer's handler is on its way.
struct SocketStream::State {
  struct Direction {  // one reader and one writer may wait at a time
    explicit Direction(const Executor& executor) : timer(executor) {}
    asio::steady_timer timer;
    std::uint64_t waits = 0;  // which wait a timer's handler belongs to
    bool timed_out = false;
  };
  State(const Executor& executor, int fd) : descriptor(executor, fd), reading(executor) {}
  Direction& writing() {
    if (!write_waits) write_waits = std::make_unique<Direction>(descriptor.get_executor());
    return *write_waits;
  }
  asio::posix::stream_descriptor descriptor;
  Direction reading;
  std::unique_ptr<Direction> write_waits;  // most sessions never have to wait for their peer so
  bool closed = false;
  bool interruptible = false;  // wait_readable() is under way
  bool interrupted = false;
};

namespace {

Peer peer_from(const sockaddr_storage& storage) {
  Peer peer;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto* in4 = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &in4->sin_addr, text.data(), text.size());
    peer = {text.data(), ntohs(in4->sin_port), (ntohl(in4->sin_addr.s_addr) >> 24U) == 127, {}};
  } else if (storage.ss_family == AF_INET6) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
      inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text.data(), text.size());
      peer = {text.data(), ntohs(in6->sin6_port), in6->sin6_addr.s6_addr[12] == 127, {}};
    } else {
      inet_ntop(AF_INET6, &in6->sin6_addr, text.data(), text.size());
      peer = {text.data(), ntohs(in6->sin6_port), IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) != 0, {}};
    }
  } else {
    peer = {"local", 0, true, {}};
  }
  return peer;
}

// A peer that is gone without a word is known after five minutes, not after the kernel's two hours;
// and a router between sees something pass before it forgets a silent connection.
void keep_alive(int fd) {
  const auto set = [&](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 120);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 30);
  set(IPPROTO_TCP, TCP_KEEPCNT, 6);
}

}  // namespace

SocketStream::SocketStream(Executor executor, File connected)
    : state_(std::make_shared<State>(std::move(executor), connected.release())) {
  const int one = 1;
  ::setsockopt(state_->descriptor.native_handle(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  read_addresses();
  if (is_tcp_) keep_alive(state_->descriptor.native_handle());
}

SocketStream::~SocketStream() {
  if (watch_ != nullptr) watch_->end_wait();
  state_->closed = true;
  if (ssl_ != nullptr) SSL_free(ssl_);
  if (rejected_ != nullptr) X509_free(rejected_);
  std::error_code ignored;
  state_->reading.timer.cancel();
  if (state_->write_waits) state_->write_waits->timer.cancel();
  state_->descriptor.close(ignored);
}

void SocketStream::read_addresses() {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  const int fd = state_->descriptor.native_handle();
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0)
    peer_ = peer_from(storage);
  is_tcp_ = storage.ss_family == AF_INET || storage.ss_family == AF_INET6;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (storage.ss_family == AF_UNIX &&
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
    peer_.uid = credentials.uid;
  storage = {};
  length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0)
    local_ = peer_from(storage);
}

namespace {

// Asio uses its record of a closed descriptor again for the next one, and an event that was under
// way for the old one then wakes the new one's wait. To believe it would be to accuse a client of
// talking before the greeting, who has not said a word.
bool is_ready(int fd, bool for_reading) {
  pollfd one{.fd = fd, .events = static_cast<short>(for_reading ? POLLIN : POLLOUT), .revents = 0};
  return ::poll(&one, 1, 0) != 0;  // an error of poll() shows at the read or write
}

std::unexpected<Error> interrupted() {
  return fail(ErrorKind::temporary, "interrupted");
}

}  // namespace

// One coroutine for all kinds, and it calls none: an idle session spends its days in here, and each
// frame would be kept for it.
Task<> SocketStream::wait(Want want, SteadyTime deadline) {
  const std::shared_ptr<State> state = state_;
  const bool is_write = want == Want::write;
  if (want == Want::news) {
    if (ssl_ != nullptr && SSL_pending(ssl_) > 0) co_return Result<>{};
    if (std::exchange(state->interrupted, false)) co_return interrupted();
  }
  busy_ = 0;
  State::Direction& direction = is_write ? state->writing() : state->reading;
  // Who writes in two goes waits for our acknowledgement of the first (Nagle): it must not be
  // delayed.
  if (!is_write && is_tcp_) {
    const int one = 1;
    ::setsockopt(state->descriptor.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
  }
  direction.timed_out = false;
  const std::uint64_t wait = ++direction.waits;
  if (state->closed) co_return fail(ErrorKind::closed, "closed");
  if (Clock::system().steady_now() >= deadline) co_return fail(ErrorKind::timeout, "timed out");
  if (deadline != SteadyTime::max()) {
    direction.timer.expires_at(deadline);
    direction.timer.async_wait([state, &direction, wait](const std::error_code& error) {
      if (error || direction.waits != wait || state->closed) return;
      direction.timed_out = true;
      std::error_code ignored;
      state->descriptor.cancel(ignored);
    });
  }
  PeerWatch* const watch = watch_;
  if (watch != nullptr) watch->begin_wait();
  std::error_code error;
  if (want == Want::news) state->interruptible = true;
  do {
    // The other direction's deadline cancels both; this one just goes on waiting then.
    std::tie(error) =
        co_await state->descriptor.async_wait(is_write ? asio::posix::stream_descriptor::wait_write
                                                       : asio::posix::stream_descriptor::wait_read,
                                              asio::experimental::as_tuple(asio::use_awaitable));
    if (!error && !is_ready(state->descriptor.native_handle(), !is_write))
      error = asio::error::operation_aborted;
  } while (error == asio::error::operation_aborted && !state->closed && !direction.timed_out &&
           !(want == Want::news && state->interrupted));
  if (want == Want::news) state->interruptible = false;
  ++direction.waits;
  if (deadline != SteadyTime::max()) direction.timer.cancel();
  if (watch != nullptr) watch->end_wait();
  if (state->closed) co_return fail(ErrorKind::closed, "closed");
  if (direction.timed_out) co_return fail(ErrorKind::timeout, "timed out");
  if (error == asio::error::operation_aborted) {
    state->interrupted = false;
    co_return interrupted();
  }
  if (error) co_return fail(ErrorKind::closed, error.message());
  co_return Result<>{};
}

// A peer that always has something ready must not keep the others waiting.
Awaitable<void> SocketStream::give_way() {
  if (++busy_ < 32) co_return;
  busy_ = 0;
  co_await asio::post(state_->descriptor.get_executor(), asio::use_awaitable);
}

Task<std::size_t> SocketStream::read_some(std::span<char> buffer, SteadyTime deadline) {
  while (true) {
    if (state_->closed) co_return fail(ErrorKind::closed, "closed");
    if (ssl_ != nullptr) {
      ERR_clear_error();
      const int n = SSL_read(ssl_, buffer.data(),
                             static_cast<int>(std::min<std::size_t>(buffer.size(), 1U << 20U)));
      if (n > 0) {
        co_await give_way();
        co_return static_cast<std::size_t>(n);
      }
      CO_TRY_OK(co_await after_ssl(n, "read", deadline));
      continue;
    }
    const ssize_t n =
        ::recv(state_->descriptor.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      co_await give_way();
      co_return static_cast<std::size_t>(n);
    }
    if (n == 0) co_return fail(ErrorKind::closed, "the peer closed the connection");
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return fail(ErrorKind::closed, std::generic_category().message(errno));
    CO_TRY_OK(co_await wait(Want::read, deadline));
  }
}

Task<> SocketStream::write(std::string_view bytes, SteadyTime deadline) {
  while (!bytes.empty()) {
    if (state_->closed) co_return fail(ErrorKind::closed, "closed");
    if (ssl_ != nullptr) {
      ERR_clear_error();
      const int n = SSL_write(ssl_, bytes.data(),
                              static_cast<int>(std::min<std::size_t>(bytes.size(), 1U << 20U)));
      if (n > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(n));
        continue;
      }
      CO_TRY_OK(co_await after_ssl(n, "write", deadline));
      continue;
    }
    const ssize_t n = ::send(state_->descriptor.native_handle(), bytes.data(), bytes.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return fail(ErrorKind::closed, std::generic_category().message(errno));
    CO_TRY_OK(co_await wait(Want::write, deadline));
  }
  co_await give_way();
  co_return Result<>{};
}

Task<> SocketStream::wait_readable(SteadyTime deadline) {
  return wait(Want::news, deadline);
}

Task<> SocketStream::wait_writable(SteadyTime deadline) {
  return wait(Want::write, deadline);
}

// After an SSL call that gave nothing: waits for what it wants, or tells why there will never be
// more.
Task<> SocketStream::after_ssl(int result, std::string_view what, SteadyTime deadline) {
  const int saved = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      co_return co_await wait(Want::read, deadline);
    case SSL_ERROR_WANT_WRITE:
      co_return co_await wait(Want::write, deadline);
    case SSL_ERROR_ZERO_RETURN:
      co_return fail(ErrorKind::closed, "the peer closed the connection");
    case SSL_ERROR_SYSCALL:
      co_return fail(ErrorKind::closed, saved == 0 ? "the peer closed the connection"
                                                   : std::generic_category().message(saved));
    default:
      break;
  }
  std::string text = tls_error(what);
  // OpenSSL 3 reports an end without close_notify this way; everyone does it.
  if (text.find("unexpected eof") != std::string::npos)
    co_return fail(ErrorKind::closed, "the peer closed the connection");
  co_return fail(ErrorKind::protocol, std::move(text));
}

Task<> SocketStream::handshake(SteadyTime deadline) {
  SSL_set_fd(ssl_, state_->descriptor.native_handle());
  while (true) {
    if (state_->closed) co_return fail(ErrorKind::closed, "closed");
    ERR_clear_error();
    const int n = SSL_do_handshake(ssl_);
    if (n == 1) break;
    CO_TRY_OK(co_await after_ssl(n, "TLS handshake", deadline));
  }
  TlsInfo info;
  info.version = SSL_get_version(ssl_);
  info.cipher = SSL_get_cipher_name(ssl_);
  info.bits = SSL_get_cipher_bits(ssl_, nullptr);
  info.is_challenge = was_challenge(ssl_);
  if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name))
    info.server_name = name;
  tls_ = std::make_unique<const TlsInfo>(std::move(info));
  co_return Result<>{};
}

Task<> SocketStream::start_tls(const TlsServer& tls, SteadyTime deadline) {
  context_ = tls.context();
  ssl_ = SSL_new(context_.get());
  if (ssl_ == nullptr) co_return fail(ErrorKind::temporary, tls_error("SSL_new"));
  SSL_set_accept_state(ssl_);
  co_return co_await handshake(deadline);
}

Task<> SocketStream::start_tls(const TlsClient& tls, const std::string& name, SteadyTime deadline) {
  context_ = tls.context();
  ssl_ = SSL_new(context_.get());
  if (ssl_ == nullptr) co_return fail(ErrorKind::temporary, tls_error("SSL_new"));
  SSL_set_connect_state(ssl_);
  std::array<unsigned char, 16> literal{};
  const bool is_address = inet_pton(AF_INET, name.c_str(), literal.data()) == 1 ||
                          inet_pton(AF_INET6, name.c_str(), literal.data()) == 1;
  if (!is_address) SSL_set_tlsext_host_name(ssl_, name.c_str());
  if (tls.verify() == TlsClient::Verify::required) {
    // RFC 6125: the chain and the name, both.
    X509_VERIFY_PARAM* param = SSL_get0_param(ssl_);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str())
                               : X509_VERIFY_PARAM_set1_host(param, name.c_str(), name.size());
    if (set != 1) co_return fail(ErrorKind::permanent, "a name that no certificate can be for");
    SSL_set_app_data(ssl_, this);
    SSL_set_verify(ssl_, SSL_VERIFY_PEER, &SocketStream::note_rejected);
  }
  auto done = co_await handshake(deadline);
  if (!done && SSL_get_verify_result(ssl_) != X509_V_OK &&
      tls.verify() == TlsClient::Verify::required)
    co_return fail(ErrorKind::temporary,
                   std::string("certificate of ") + name + ": " +
                       X509_verify_cert_error_string(SSL_get_verify_result(ssl_)));
  co_return done;
}

// OpenSSL forgets what it does not accept.
int SocketStream::note_rejected(int is_good, X509_STORE_CTX* chain) {
  if (is_good == 1) return 1;
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* self = static_cast<SocketStream*>(SSL_get_app_data(ssl));
  X509* const leaf = X509_STORE_CTX_get0_cert(chain);
  if (self->rejected_ == nullptr && leaf != nullptr && X509_up_ref(leaf) == 1)
    self->rejected_ = leaf;
  return 0;
}

X509* SocketStream::peer_certificate() const {
  if (rejected_ != nullptr || ssl_ == nullptr) return rejected_;
  return SSL_get0_peer_certificate(ssl_);
}

long SocketStream::verify_result() const {
  return ssl_ == nullptr ? X509_V_OK : SSL_get_verify_result(ssl_);
}

void SocketStream::interrupt() {
  state_->interrupted = true;
  if (!state_->interruptible) return;
  std::error_code ignored;
  state_->descriptor.cancel(ignored);
}

void SocketStream::identify(std::string_view, std::string_view account) {
  if (watch_ != nullptr && !account.empty()) watch_->log_in();
}

void SocketStream::turn_away(std::string_view text) {
  if (ssl_ == nullptr && !state_->closed)
    (void)!::send(state_->descriptor.native_handle(), text.data(), text.size(),
                  MSG_DONTWAIT | MSG_NOSIGNAL);
  close();
}

void SocketStream::close() {
  if (state_->closed) return;
  state_->closed = true;
  ::shutdown(state_->descriptor.native_handle(), SHUT_RDWR);
  std::error_code ignored;
  state_->descriptor.cancel(ignored);
}

Task<> SocketStream::shut_down(SteadyTime) {
  if (state_->closed) co_return Result<>{};
  if (ssl_ != nullptr && tls_) {
    ERR_clear_error();
    SSL_shutdown(ssl_);  // one try: the peer that does not read it loses nothing
  }
  ::shutdown(state_->descriptor.native_handle(), SHUT_WR);
  co_return Result<>{};
}

}  // namespace posthorn::net
