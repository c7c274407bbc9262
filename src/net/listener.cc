#include "net/listener.h"

#include <arpa/inet.h>
#include <asio/experimental/as_tuple.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/events.h"
#include "base/metrics.h"
#include "net/socket.h"
#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kAddressesMax = 100'000;

// An IPv6 network of a customer is a /64: one peer, whatever address in it.
std::string limit_key(const Peer& peer) {
  in6_addr address{};
  if (inet_pton(AF_INET6, peer.address.c_str(), &address) != 1) return peer.address;
  return std::string(reinterpret_cast<const char*>(address.s6_addr), 8);
}

}  // namespace

ConnectionLimits::Slot::Slot(ConnectionLimits& limits, std::string key)
    : limits_(&limits), key_(std::move(key)) {}

ConnectionLimits::Slot::Slot(Slot&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)), key_(std::move(other.key_)) {}

ConnectionLimits::Slot& ConnectionLimits::Slot::operator=(Slot&& other) noexcept {
  std::swap(limits_, other.limits_);
  std::swap(key_, other.key_);
  return *this;
}

ConnectionLimits::Slot::~Slot() {
  if (limits_ == nullptr) return;
  --limits_->connections_;
  if (key_.empty()) return;
  const auto found = limits_->per_address_.find(key_);
  if (found != limits_->per_address_.end()) --found->second.open;
}

std::optional<ConnectionLimits::Slot> ConnectionLimits::take(const Peer& peer) {
  if (connections_ >= options_.connections_max) return std::nullopt;
  std::string key;
  const bool exempt = (peer.is_loopback && options_.loopback_exempt) ||
                      (options_.exempt && options_.exempt(peer.address));
  if (!exempt) {
    key = limit_key(peer);
    const SteadyTime now = Clock::system().steady_now();
    if (per_address_.size() >= kAddressesMax) forget_idle(now);
    const auto limit = static_cast<double>(options_.per_minute_max);
    const auto [at, is_new] = per_address_.try_emplace(key, Count{0, limit, now});
    Count& count = at->second;
    const double seconds = std::chrono::duration<double>(now - count.counted).count();
    count.allowance = std::min(limit, count.allowance + seconds * limit / 60);
    count.counted = now;
    if (count.open >= options_.per_address_max || count.allowance < 1) return std::nullopt;
    count.allowance -= 1;
    ++count.open;
  }
  ++connections_;
  return Slot(*this, std::move(key));
}

// Addresses without a connection whose minute is over.
void ConnectionLimits::forget_idle(SteadyTime now) {
  std::erase_if(per_address_, [&](const auto& entry) {
    return entry.second.open == 0 && now - entry.second.counted > 1min;
  });
  if (per_address_.size() >= kAddressesMax)  // a flood from everywhere: the counts of who is gone
    std::erase_if(per_address_, [](const auto& entry) { return entry.second.open == 0; });
}

struct Listener::State {
  State(Scope& s, int fd, Options o, Session f)
      : scope(s), descriptor(s.executor(), fd), options(std::move(o)), session(std::move(f)) {
    reserve = File(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  Scope& scope;
  asio::posix::stream_descriptor descriptor;
  Options options;
  Session session;
  File reserve;  // given up for a moment when descriptors run out, so that a peer can be told
  bool stopped = false;
  SteadyTime warned{};
  log::Logger log;
};

namespace {

Awaitable<void> run_session(Listener::Session session, StreamPtr stream,
                            ConnectionLimits::Slot slot) {
  co_await session(std::move(stream));
  (void)slot;
}

}  // namespace

Listener::Listener(Scope& scope, File listening, Options options, Session session)
    : state_(std::make_shared<State>(scope, listening.release(), std::move(options),
                                     std::move(session))) {
  const int flags = ::fcntl(state_->descriptor.native_handle(), F_GETFL);
  ::fcntl(state_->descriptor.native_handle(), F_SETFL, flags | O_NONBLOCK);
}

Listener::~Listener() {
  stop();
}

void Listener::start() {
  struct Acceptor {
    static void refuse(State& state, File socket) {
      const std::string& text = state.options.refusal;
      (void)!::send(socket.fd(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    // No descriptor left: the reserve takes the next caller's place, who is told to come back.
    static void shed(State& state) {
      metrics::count(metric::limits_hit, "descriptors");
      const auto now = Clock::system().steady_now();
      if (now - state.warned > 10s) {
        state.warned = now;
        state.log.error(event::listener_paused, {{"name", state.options.name}});
      }
      state.reserve.close();
      File socket(::accept4(state.descriptor.native_handle(), nullptr, nullptr,
                            SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (socket.is_open()) refuse(state, std::move(socket));
      state.reserve = File(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }

    static void welcome(State& state, File socket) {
      auto stream = adopt_socket(state.scope.executor(), std::move(socket));
      if (!stream || (*stream)->peer().address.empty()) return;  // gone already
      ConnectionLimits::Slot slot;
      if (state.options.limits != nullptr) {
        auto taken = state.options.limits->take((*stream)->peer());
        if (!taken) {
          metrics::count(metric::limits_hit, "connections");
          const auto now = Clock::system().steady_now();
          if (now - state.warned > 1s) {
            state.warned = now;
            state.log.warn(event::connection_refused,
                           {{"name", state.options.name}, {"address", (*stream)->peer().address}});
          }
          state.scope.spawn(say_goodbye(*std::move(stream), state.options.refusal));
          return;
        }
        slot = *std::move(taken);
      }
      state.scope.spawn(run_session(state.session, *std::move(stream), std::move(slot)));
    }

    static Awaitable<void> say_goodbye(StreamPtr stream, std::string text) {
      const auto deadline = Clock::system().steady_now() + 1s;
      (void)co_await stream->write(text, deadline);
      (void)co_await stream->shut_down(deadline);
    }

    static Awaitable<void> accept(std::shared_ptr<State> state) {
      while (!state->stopped) {
        File socket(::accept4(state->descriptor.native_handle(), nullptr, nullptr,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket.is_open()) {
          welcome(*state, std::move(socket));
          continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          shed(*state);
          co_await sleep(100ms);
          continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) co_await sleep(100ms);
        const auto [error] = co_await state->descriptor.async_wait(
            asio::posix::stream_descriptor::wait_read,
            asio::experimental::as_tuple(asio::use_awaitable));
        if (error && error != asio::error::operation_aborted) co_await sleep(100ms);
      }
    }
  };
  state_->scope.spawn(Acceptor::accept(state_));
}

void Listener::stop() {
  if (state_->stopped) return;
  state_->stopped = true;
  // Closed, not only left alone: a caller is refused at once instead of waiting unanswered.
  std::error_code ignored;
  state_->descriptor.close(ignored);
}

std::uint16_t Listener::port() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(state_->descriptor.native_handle(), reinterpret_cast<sockaddr*>(&storage),
                    &length) != 0)
    return 0;
  if (storage.ss_family == AF_INET)
    return ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

}  // namespace posthorn::net
